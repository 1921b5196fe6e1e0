"""What a WasmPlugin and a TrafficExtension may say, after Istio's CRDs and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.gateway_api.names import filled, matching
from meshtest.resources.kinds.gateway_api.unique import Unique, by
from meshtest.resources.kinds.policy_target import TARGETS, at_most_16_targets, one_target
from meshtest.resources.schema import INT32, PORT, TEXT, Enum, ListOf, Message, Report, Text, Type, named
from meshtest.resources.url import scheme

_SCHEMES = ("", "http", "https", "file", "oci")


def _url(text: str) -> str | None:
    found = scheme(text)
    if (scheme(f"http://{text}") if found is None else found) in _SCHEMES and text:
        return None
    return f"must be a URL that begins with one of {', '.join(f'{each}://' for each in _SCHEMES[1:])}; this is {text!r}"


class _Anything:
    """A mapping of any content."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if not isinstance(value, dict):
            report(path, f"must be a mapping; this is {named(value)}")
        return value


def _inline(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("valueFrom") == "HOST" and "value" in spec:
        report((*path, "value"), "has no meaning where the value comes from the HOST: take it away")


_ENV = Message(
    {"name": filled(256), "valueFrom": Enum(("INLINE", "HOST")), "value": Text(most=2048)},
    required=("name",),
    rules=(_inline,),
)
_MATCH = ListOf(
    Message(
        {
            "mode": Enum(("UNDEFINED", "CLIENT", "SERVER", "CLIENT_AND_SERVER")),
            "ports": Unique(Message({"number": PORT}, required=("number",)), by("number"), "number"),
        }
    )
)
_WASM: Mapping[str, Type] = {
    "url": Text(_url),
    "sha256": matching("(?:[a-f0-9]{64})?", "64 hexadecimal digits in small letters", most=64, least=0),
    "imagePullPolicy": Enum(("UNSPECIFIED_POLICY", "IfNotPresent", "Always")),
    "imagePullSecret": filled(253),
    "verificationKey": TEXT,
    "pluginConfig": _Anything(),
    "pluginName": filled(256),
    "failStrategy": Enum(("FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD")),
    "vmConfig": Message({"env": Unique(_ENV, by("name"), "name", most=256)}),
    "type": Enum(("UNSPECIFIED_PLUGIN_TYPE", "HTTP", "NETWORK")),
}

WASM_PLUGIN: Type = Message(
    {
        **TARGETS,
        **_WASM,
        "phase": Enum(("UNSPECIFIED_PHASE", "AUTHN", "AUTHZ", "STATS")),
        "priority": INT32,
        "match": _MATCH,
    },
    required=("url",),
    rules=(one_target, at_most_16_targets),
    nullable=("priority",),
)


def _one_language(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec.keys() & {"wasm", "lua"}:
        report(path, "must have one of wasm and lua")


TRAFFIC_EXTENSION: Type = Message(
    {
        "selector": TARGETS["selector"],
        "targetRefs": TARGETS["targetRefs"],
        "phase": Enum(("UNSPECIFIED", "AUTHN", "AUTHZ", "STATS")),
        "priority": INT32,
        "match": _MATCH,
        "wasm": Message(_WASM, required=("url",)),
        "lua": Message({"inlineCode": filled(65536)}, required=("inlineCode",)),
    },
    one_of=(("wasm", "lua"),),
    rules=(_one_language, one_target, at_most_16_targets),
    nullable=("priority",),
)
