"""What an EnvoyFilter may say (`pkg/config/validation/envoyfilter/envoyfilter.go`), but for the Envoy configuration in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.gateway_api.names import GROUP, KIND, NAME
from meshtest.resources.kinds.workload_selector import WORKLOAD_SELECTOR
from meshtest.resources.regular_expression import LONGEST, regular_expression
from meshtest.resources.schema import INT32, PORT, TEXT, UINT32, Enum, ListOf, MapOf, Message, Report, Text, Type, named

_MATCH_OF = {
    "LISTENER": "listener",
    "FILTER_CHAIN": "listener",
    "NETWORK_FILTER": "listener",
    "HTTP_FILTER": "listener",
    "ROUTE_CONFIGURATION": "routeConfiguration",
    "VIRTUAL_HOST": "routeConfiguration",
    "HTTP_ROUTE": "routeConfiguration",
    "CLUSTER": "cluster",
}
_MATCHES = ("listener", "routeConfiguration", "cluster", "waypoint")
_HTTP_MANAGERS = ("envoy.filters.network.http_connection_manager", "envoy.http_connection_manager")


class _Value:
    """Configuration of Envoy; only names of types are looked at."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, dict):
            report(path, f"must be a mapping; this is {named(value)}")
            return {}
        for place, type_ in _types(value, path):
            if not isinstance(type_, str):
                report(place, f"must be a text; this is {named(type_)}")
            elif ".v2." in type_:
                report(place, f"{type_!r} is of Envoy's API v2, which is gone: use its type of v3")
        return value


def _types(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "@type":
                yield (*path, key), each
            else:
                yield from _types(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _types(each, (*path, index))


def _version(text: str) -> str | None:
    return None if not text or len(text.encode(errors="replace")) > LONGEST else regular_expression(text)


_SUB_FILTER = Message({"name": TEXT})
_MATCH = Message(
    {
        "context": Enum(("ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "WAYPOINT")),
        "proxy": Message({"proxyVersion": TEXT, "metadata": MapOf(TEXT)}),
        "listener": Message(
            {
                "portNumber": UINT32,
                "portName": TEXT,
                "name": TEXT,
                "listenerFilter": TEXT,
                "filterChain": Message(
                    {
                        "name": TEXT,
                        "sni": TEXT,
                        "transportProtocol": TEXT,
                        "applicationProtocols": TEXT,
                        "destinationPort": UINT32,
                        "filter": Message({"name": TEXT, "subFilter": _SUB_FILTER}),
                    }
                ),
            }
        ),
        "routeConfiguration": Message(
            {
                "portNumber": UINT32,
                "portName": TEXT,
                "gateway": TEXT,
                "name": TEXT,
                "vhost": Message(
                    {
                        "name": TEXT,
                        "domainName": TEXT,
                        "route": Message(
                            {"name": TEXT, "action": Enum(("ANY", "ROUTE", "REDIRECT", "DIRECT_RESPONSE"))}
                        ),
                    }
                ),
            }
        ),
        "cluster": Message({"portNumber": UINT32, "service": TEXT, "subset": TEXT, "name": TEXT}),
        "waypoint": Message(
            {
                "portNumber": PORT,
                "filter": Message({"name": TEXT, "subFilter": _SUB_FILTER}),
                "route": Message({"name": TEXT}),
            }
        ),
    },
    one_of=(_MATCHES,),
)


def _complete(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    match = spec.get("match", {})
    if (match.get("context") == "WAYPOINT") != ("waypoint" in match):
        report((*path, "match"), "the context WAYPOINT and a `waypoint` match belong together")
    if match.get("context") == "WAYPOINT":
        return
    patch = spec.get("patch", {})
    if spec.get("applyTo", "INVALID") == "INVALID":
        report(path, "must say what it applies to: applyTo")
    elif patch.get("operation", "INVALID") == "INVALID":
        report(path, "must have a patch with an operation")
    elif patch["operation"] != "REMOVE" and "value" not in patch:
        report((*path, "patch"), f"the operation {patch['operation']} needs a value")
    else:
        _consistent(spec["applyTo"], match, (*path, "match"), report)


def _consistent(applied: str, match: Mapping[str, Any], path: Path, report: Report) -> None:
    if wrong := _version(match.get("proxy", {}).get("proxyVersion", "")):
        report((*path, "proxy", "proxyVersion"), wrong)
    meant, given = _MATCH_OF.get(applied), [key for key in _MATCHES if key in match]
    if meant and given and given != [meant]:
        report((*path, given[0]), f"what applies to {applied} is matched by `{meant}`")
    elif meant == "listener":
        _filters(applied, match.get("listener", {}), (*path, "listener", "filterChain", "filter"), report)


def _filters(applied: str, listener: Mapping[str, Any], path: Path, report: Report) -> None:
    given = listener.get("filterChain", {}).get("filter")
    if given is None:
        return
    if not given.get("name"):
        report(path, "must name the filter to match")
    elif "subFilter" in given:
        if applied != "HTTP_FILTER":
            report((*path, "subFilter"), f"counts with applyTo HTTP_FILTER only; this is {applied}")
        elif given["name"] not in _HTTP_MANAGERS:
            report((*path, "name"), f"must be {_HTTP_MANAGERS[0]} to match a filter inside it")
        elif not given["subFilter"].get("name"):
            report((*path, "subFilter"), "must name the filter to match")


# istiod does not look at what kind it is attached to.
_TARGET = Message(
    {
        "group": GROUP,
        "kind": KIND,
        "name": NAME,
        "namespace": Text(lambda text: "must be in the namespace of the EnvoyFilter: take it away" if text else None),
    },
    required=("kind", "name"),
)
_PATCH = Message(
    {
        "operation": Enum(
            (
                *("INVALID", "MERGE", "ADD", "REMOVE", "INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST", "REPLACE"),
                "MERGE_AND_REPLACE_LIST",
            )
        ),
        "value": _Value(),
        "filterClass": Enum(("UNSPECIFIED", "AUTHN", "AUTHZ", "STATS")),
    }
)

ENVOY_FILTER: Type = Message(
    {
        "workloadSelector": WORKLOAD_SELECTOR,
        "targetRefs": ListOf(_TARGET, most=16),
        "configPatches": ListOf(
            Message(
                {
                    "applyTo": Enum(("INVALID", *_MATCH_OF, "EXTENSION_CONFIG", "BOOTSTRAP", "LISTENER_FILTER")),
                    "match": _MATCH,
                    "patch": _PATCH,
                },
                rules=(_complete,),
            )
        ),
        "priority": INT32,
    },
    one_of=(("workloadSelector", "targetRefs"),),
)
