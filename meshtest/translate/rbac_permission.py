"""What is asked for, in the words of Envoy's RBAC filters (`pilot/pkg/security/authz/model/{generator,permission}.go`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from meshtest.translate.rbac_attribute import Attribute, Json, Unchecked, address_range
from meshtest.translate.string_matcher import header_matcher, metadata_matcher, one_of, string_matcher

URI_TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
_EXPERIMENTAL = "experimental."


def every(rules: Sequence[Json]) -> Json:
    """All of these; anything if there is none."""
    return {"and_rules": {"rules": [*rules] or [{"any": True}]}}


def negated(rule: Json) -> Json:
    """Not this."""
    return {"not_rule": rule}


def _any(make: Callable[[str], Json]) -> Callable[[str, Sequence[str]], Json]:
    return lambda _, values: {"or_rules": {"rules": [make(value) for value in values]}}


def _host(value: str) -> Json:
    return {"header": header_matcher(":authority", value, ignore_case=True)}


def _path(value: str) -> Json:
    if "{*}" not in value and "{**}" not in value:
        return {"url_path": {"path": string_matcher(value)}}
    template = value.replace("{*}", "*").replace("{**}", "**")
    return {
        "uri_template": {"name": "uri-template", "typed_config": {"@type": URI_TEMPLATE, "path_template": template}}
    }


def _filter_metadata(key: str, values: Sequence[str]) -> Json:
    """`experimental.envoy.filters.NAME[KEY]`; a value in brackets fits one item of a list."""
    name, opened, inside = key.removeprefix(_EXPERIMENTAL).removesuffix("]").partition("[")
    if not opened:
        raise Unchecked(key)
    return {"metadata": metadata_matcher(name, [inside], one_of(map(_metadata_value, values)))}


def _metadata_value(value: str) -> Json:
    if value.startswith("[") and value.endswith("]"):
        return {"list_match": {"one_of": {"string_match": string_matcher(value.strip("[]"))}}}
    return {"string_match": string_matcher(value)}


_DESTINATION_PORT = Attribute(_any(lambda value: {"destination_port": int(value)}))

# Fields of an operation, the last to be checked first.
OPERATION: Mapping[str, Attribute] = {
    "ports": _DESTINATION_PORT,
    "paths": Attribute(_any(_path), http=True),
    "methods": Attribute(_any(lambda value: {"header": header_matcher(":method", value)}), http=True),
    "hosts": Attribute(_any(_host), http=True),
}
CONDITIONS: Mapping[str, Attribute] = {
    "destination.ip": Attribute(_any(lambda value: {"destination_ip": address_range(value)})),
    "destination.port": _DESTINATION_PORT,
    "connection.sni": Attribute(_any(lambda value: {"requested_server_name": string_matcher(value)})),
}
FILTER_METADATA = Attribute(_filter_metadata)
FILTER_METADATA_KEY = "experimental.envoy.filters."
