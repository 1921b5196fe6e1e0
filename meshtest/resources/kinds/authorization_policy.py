"""What an AuthorizationPolicy may say, after Istio's CRD and its validation (`pkg/config/validation`, `pkg/config/security`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.policy_target import TARGETS, at_most, at_most_16_targets, one_target
from meshtest.resources.schema import TEXT, Check, Enum, ListOf, Message, Report, Text, Type, nearest

ACTIONS = ("ALLOW", "DENY", "AUDIT", "CUSTOM")

_PREFIX_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
_LITERAL = re.compile(r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+")  # RFC 3986, appendix A: pchar without `*`
_ONE, _ANY = "{*}", "{**}"
_IDENTITIES = ("principals", "notPrincipals", "namespaces", "notNamespaces")
_ACCOUNTS = ("serviceAccounts", "notServiceAccounts")


def _given(text: str) -> str | None:
    return None if text else "must not be empty"


def _block(text: str) -> str | None:
    """An IP address, or a range of them."""
    given, slash, length = text.rpartition("/")
    given = given if slash else text
    if not name.address(given):
        return f"must be an IP address such as 10.1.2.3, or a range such as 10.1.0.0/16; this is {text!r}"
    most = 128 if ":" in given else 32
    if slash and ("%" in given or not _PREFIX_LENGTH.fullmatch(length) or int(length) > most):
        return f"is no range of IP addresses: {text!r}; after the `/` stands the number of leading bits that count, at most {most}"
    return None


def _port(text: str) -> str | None:
    digits = text.lstrip("0") or text[-1:]
    if digits.isascii() and digits.isdecimal() and len(digits) <= 5 and int(digits) <= 65535:
        return None
    return f"must be the number of a port, up to 65535, in quotes; this is {text!r}"


def _account(text: str) -> str | None:
    if "*" in text:
        return f"`*` is not allowed here: service accounts are named one by one; this is {text!r}"
    parts = text.split("/")
    if len(parts) > 2 or not all(parts) or len(text) > 320:
        return f"must be `name` or `namespace/name` of a service account; this is {text!r}"
    return None


def _wildcard(text: str) -> str | None:
    if "*" in text[1:-1] or text.count("*") > 1:
        return f"`*` may only stand once, at the beginning or at the end; this is {text!r}"
    return _given(text)


def _trust_domain(text: str) -> str | None:
    return f"must be a trust domain, without `/`; this is {text!r}" if "/" in text else _wildcard(text)


def _path(text: str) -> str | None:
    """A path may hold `{*}` for one of its parts and `{**}` for the rest; in such a template other parts are literal."""
    template, open_end = _ONE in text or _ANY in text, False
    for part in text.strip("/").split("/"):
        if part in (_ONE, _ANY):
            if open_end:
                return f"no {_ONE} or {_ANY} may follow {_ANY}; this is {text!r}"
            open_end = part == _ANY
        elif "{" in part or "}" in part:
            return f"`{{` and `}}` may only stand as {_ONE} or {_ANY} for a whole part of the path; this is {text!r}"
        elif template and not _LITERAL.fullmatch(part):
            return f"beside {_ONE} and {_ANY} each part must be plain and not empty; {part!r} is not, in {text!r}"
    return _given(text)


def _list(check: Check) -> ListOf:
    return ListOf(Text(check))


def _both(field: str, check: Check) -> dict[str, Type]:
    """A field and its negation, `notField`."""
    return {field: _list(check), f"not{field[0].upper()}{field[1:]}": _list(check)}


def _some(what: str) -> Callable[[Mapping[str, Any], Path, Report], None]:
    def some(spec: Mapping[str, Any], path: Path, report: Report) -> None:
        if not any(spec.values()):
            report(path, f"must say something of {what}; take it away if all are meant")

    return some


def _accounts_alone(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    accounts = [field for field in _ACCOUNTS if field in spec]
    if accounts and (others := [field for field in _IDENTITIES if field in spec]):
        report((*path, others[0]), f"{others[0]!r} and {accounts[0]!r} exclude each other: keep one")


SOURCE = Message(
    {
        **_both("principals", _given),
        **_both("requestPrincipals", _given),
        **_both("namespaces", _given),
        **_both("serviceAccounts", _account),
        **_both("trustDomains", _trust_domain),
        **_both("ipBlocks", _block),
        **_both("remoteIpBlocks", _block),
    },
    rules=(_some("the caller"), _accounts_alone, *(at_most(field, 16) for field in _ACCOUNTS)),
    form="{namespaces: [default]}",
)
OPERATION = Message(
    {
        **_both("hosts", _given),
        **_both("ports", _port),
        **_both("methods", _given),
        **_both("paths", _path),
    },
    rules=(_some("the request"),),
    form="{methods: [GET]}",
)

# The attributes of a condition (`ValidateAttribute`), with what is wrong with one of its values.
_ATTRIBUTES: Mapping[str, Check] = {
    "source.ip": _block,
    "remote.ip": _block,
    "source.namespace": _given,
    "source.serviceAccount": _account,
    "source.principal": _given,
    "source.trustDomain": _wildcard,
    "request.auth.principal": _given,
    "request.auth.audiences": _given,
    "request.auth.presenter": _given,
    "destination.ip": _block,
    "destination.port": _port,
    "connection.sni": _given,
}
_KEYED = ("request.headers", "request.auth.claims", "experimental.envoy.filters.")
_REPLACED = {
    "destination.namespace": "a policy is for its own namespace",
    "destination.labels": "use the policy's selector",
    "destination.name": "use the policy's selector",
    "destination.user": "use the policy's selector",
}


def _key(key: str) -> str | None:
    if not key:
        return "must not be empty"
    if key.startswith(_KEYED):
        # The name needs a bracket before it and one behind, and something between.
        opened = key.find("[")
        if key.endswith("]") and 0 < opened < len(key) - 2:
            return None
        return f"must name one in brackets, such as request.headers[user-agent]; this is {key!r}"
    if instead := _REPLACED.get(key.partition("[")[0]):
        return f"there is no attribute {key!r}: {instead}"
    if key not in _ATTRIBUTES:
        inside = key.partition("[")[2].removesuffix("]") or "NAME"
        known = [*_ATTRIBUTES, *(f"{each}[{inside}]" for each in _KEYED[:2])]
        return f"there is no attribute {key!r}{nearest(key, known) or '; known are ' + ', '.join(known)}"
    return None


def _values(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec.get("values") and not spec.get("notValues"):
        report(path, "must have at least one of `values` and `notValues`")
    check = _ATTRIBUTES.get(spec["key"], _given)
    for field in ("values", "notValues"):
        for index, value in enumerate(spec.get(field, [])):
            if wrong := check(value) if value else _given(value):
                report((*path, field, index), wrong)
        if check is _account:
            at_most(field, 16)(spec, path, report)


CONDITION = Message(
    {"key": Text(_key), "values": ListOf(TEXT), "notValues": ListOf(TEXT)},
    required=("key",),
    rules=(_values,),
    form="{key: source.ip, values: [10.0.0.0/8]}",
)
_FROM = Message({"source": SOURCE}, required=("source",), form="{source: {namespaces: [default]}}")
_TO = Message({"operation": OPERATION}, required=("operation",), form="{operation: {methods: [GET]}}")
RULE = Message(
    {"from": ListOf(_FROM), "to": ListOf(_TO), "when": ListOf(CONDITION)},
    rules=(at_most("from", 512),),
)


def _meant(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    action = spec.get("action", "ALLOW")
    if action in ("DENY", "CUSTOM") and not spec.get("rules"):
        report(path, f"{action} without `rules` is never applied: write `rules: [{{}}]` if each request is meant")
    if "provider" in spec and action != "CUSTOM":
        report((*path, "provider"), f"is for the action CUSTOM only; this is {action}")
    if action == "CUSTOM" and spec.get("rules"):
        _custom(spec, path, report)


# What Istio does not let an external provider decide on.
_NOT_FOR_PROVIDERS = frozenset(
    key
    for field in ("namespaces", "serviceAccounts", "trustDomains", "principals", "requestPrincipals")
    for key in _both(field, _given)
)
_KEYS_NOT_FOR_PROVIDERS = ("source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal")


def _custom(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec.get("provider", {}).get("name"):
        report(path, "the action CUSTOM needs a `provider` with the name of an extension provider of the mesh")
    wrong = 0
    for index, rule in enumerate(spec["rules"]):
        at = (*path, "rules", index)
        for number, each in enumerate(rule.get("from", [])):
            for field in sorted(each["source"].keys() & _NOT_FOR_PROVIDERS):
                if each["source"][field]:
                    report((*at, "from", number, "source", field), "is not allowed with the action CUSTOM")
                    wrong += 1
        for number, each in enumerate(rule.get("when", [])):
            if each["key"] in _KEYS_NOT_FOR_PROVIDERS or each["key"].startswith("request.auth."):
                report((*at, "when", number, "key"), "is not allowed with the action CUSTOM")
                wrong += 1
    if not wrong:
        note = "the action CUSTOM is not implemented by the local mesh: it needs an extension provider"
        report((*path, "action"), note, unsupported=True)


AUTHORIZATION_POLICY: Type = Message(
    {
        **TARGETS,
        "rules": ListOf(RULE),
        "action": Enum(ACTIONS),
        "provider": Message({"name": TEXT}, form="{name: my-ext-authz}"),
    },
    rules=(one_target, at_most_16_targets, at_most("rules", 512), _meant),
)
