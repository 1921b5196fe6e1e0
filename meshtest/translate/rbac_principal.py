"""Who asks, in the words of Envoy's RBAC filters (`pilot/pkg/security/authz/model/{generator,principal,util}.go`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from meshtest.translate.rbac_attribute import Attribute, Json, address_range, in_brackets
from meshtest.translate.string_matcher import (
    ANY_TEXT,
    header_matcher,
    metadata_matcher,
    one_of,
    quoted,
    string_matcher,
)

_JWT, _PAYLOAD, _CLAIMS, _HEADERS = "envoy.filters.http.jwt_authn", "payload", "request.auth.claims", "request.headers"
_NESTED = re.compile(r"(?:\[[^\[\]]*\])+")


def every(ids: Sequence[Json]) -> Json:
    """All of these; anybody if there is none."""
    return {"and_ids": {"ids": [*ids] or [{"any": True}]}}


def negated(identity: Json) -> Json:
    """Not this."""
    return {"not_id": identity}


def _any(make: Callable[[str], Json]) -> Callable[[str, Sequence[str]], Json]:
    return lambda _, values: {"or_ids": {"ids": [make(value) for value in values]}}


def _authenticated(name: Json) -> Json:
    """A caller whose certificate says this name, `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`."""
    return {"authenticated": {"principal_name": name}}


def _principal(value: str) -> Json:
    return _authenticated(string_matcher(value, before="spiffe://"))


def _namespace(value: str) -> Json:
    name = ".*".join(quoted(part) for part in value.split("*"))
    return _authenticated({"safe_regex": {"regex": f".*/ns/{name}/.*"}})


def _trust_domain(value: str) -> Json:
    if value == "*":
        return _authenticated({"prefix": "spiffe://"})
    if "*" not in value:
        return _authenticated({"prefix": f"spiffe://{value}/"})
    before, _, behind = value.partition("*")
    return _authenticated({"safe_regex": {"regex": f"spiffe://{quoted(before)}[^/]*{quoted(behind)}/.*"}})


def _service_account(value: str) -> Json:
    """Of a full name, `namespace/account`."""
    namespace, _, account = value.partition("/")
    return _authenticated(
        {"safe_regex": {"regex": f"spiffe://.+/ns/{quoted(namespace)}/(.+/|)sa/{quoted(account)}(/.+)?"}}
    )


def _request_principal(_: str, values: Sequence[str]) -> Json:
    found = [every([_claim(["iss"], issuer), _claim(["sub"], subject)]) for issuer, subject in map(_token, values)]
    return found[0] if len(found) == 1 else {"or_ids": {"ids": found}}


def _token(value: str) -> tuple[Json, Json]:
    """Issuer and subject of a token: `ISSUER/SUBJECT`, where the issuer may be a URL; `*` may stand at one end."""
    issuer, slash, subject = value.rpartition("/")
    if value == "*":
        return _text(ANY_TEXT), _text(ANY_TEXT)
    if not slash:  # without a subject, what `*` stands for covers both
        if value.startswith("*"):
            return _text(ANY_TEXT), _text({"suffix": value[1:]})
        if value.endswith("*"):
            return _text({"prefix": value[:-1]}), _text(ANY_TEXT)
        return _text({"exact": value}), _text({"exact": ""})
    if value.startswith("*"):
        return _text(string_matcher(issuer) if issuer == "*" else {"suffix": issuer[1:]}), _text({"exact": subject})
    if value.endswith("*"):
        return _text({"exact": issuer}), _text(string_matcher(subject) if subject == "*" else {"prefix": subject[:-1]})
    return _text({"exact": issuer}), _text({"exact": subject})


def _text(matcher: Json) -> Json:
    return {"string_match": matcher}


def _claim(names: Iterable[str], value: Json) -> Json:
    return {"metadata": metadata_matcher(_JWT, [_PAYLOAD, *names], value)}


def _listed_claim(names: Iterable[str], values: Sequence[str]) -> Json:
    """A claim that is one of these texts, or a list with one of them in it."""
    value = one_of(_text(string_matcher(each)) for each in values)
    return _claim(names, {"or_match": {"value_matchers": [{"list_match": {"one_of": value}}, value]}})


def _claims(key: str, values: Sequence[str]) -> Json:
    """`request.auth.claims[NAME]`, or `[OUTER][INNER]`."""
    rest = key.removeprefix(_CLAIMS)
    nested = rest[1:-1].split("][") if _NESTED.fullmatch(rest) else [in_brackets(key, _CLAIMS)]
    return _listed_claim(nested, values)


def _header(key: str, values: Sequence[str]) -> Json:
    name = in_brackets(key, _HEADERS)
    return {"or_ids": {"ids": [{"header": header_matcher(name, value)} for value in values]}}


_SOURCE_IP = Attribute(_any(lambda value: {"direct_remote_ip": address_range(value)}))
_REMOTE_IP = Attribute(_any(lambda value: {"remote_ip": address_range(value)}))
_NAMESPACE, _TRUST_DOMAIN = Attribute(_any(_namespace)), Attribute(_any(_trust_domain))
_SERVICE_ACCOUNT, _PRINCIPAL = Attribute(_any(_service_account)), Attribute(_any(_principal))
_REQUEST_PRINCIPAL = Attribute(_request_principal, http=True)

# Fields of a source, the last to be checked first.
SOURCE: Mapping[str, Attribute] = {
    "ipBlocks": _SOURCE_IP,
    "remoteIpBlocks": _REMOTE_IP,
    "namespaces": _NAMESPACE,
    "trustDomains": _TRUST_DOMAIN,
    "serviceAccounts": _SERVICE_ACCOUNT,
    "requestPrincipals": _REQUEST_PRINCIPAL,
    "principals": _PRINCIPAL,
}
CONDITIONS: Mapping[str, Attribute] = {
    "source.ip": _SOURCE_IP,
    "remote.ip": _REMOTE_IP,
    "source.namespace": _NAMESPACE,
    "source.trustDomain": _TRUST_DOMAIN,
    "source.serviceAccount": _SERVICE_ACCOUNT,
    "source.principal": _PRINCIPAL,
    "request.auth.principal": _REQUEST_PRINCIPAL,
    "request.auth.audiences": Attribute(lambda _, values: _listed_claim(["aud"], values), http=True),
    "request.auth.presenter": Attribute(lambda _, values: _listed_claim(["azp"], values), http=True),
}
# Attributes whose key goes on after these words.
KEYED: Mapping[str, Attribute] = {
    _HEADERS: Attribute(_header, http=True),
    _CLAIMS: Attribute(_claims, http=True),
}
