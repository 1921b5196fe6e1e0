"""Changes to a right spec, one at a time: each field takes wrong and strange values, is left out, or is joined by others.

Which values a field takes follows from its type in the CRD. Those that many fields take are pools, so that answers to them are short.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

Json = Any
ABSENT = object()

POOLS: dict[str, list[Json]] = {
    "text": ["", "*", "a b", "A", "1", "x" * 70, "x" * 300, "unix://a", "%", "ü", 5, 1.5, True, None, [], {}],
    "strange": [
        *("a_b", "a.b", "a.", "a..b", ".a", "a-", "1a", "1.2.3.4", "10.0.0.0/8", "1.2.3.4/08", "10.0.0.0/33", "::1"),
        *("::1/64", "fe80::1%a", "a/b", "./*", "*/*", "~/*", "./a", "ns/a.b", "/a", "a/", "**", "*.*", "*.a.b", "*a"),
        *("*-a.b", "a.*", ".", "~", "x" * 63, "x" * 64, ".".join(["x" * 60] * 5), "%%", "%A%", "%A(b)%", "\t", "a\nb"),
        *("host", ":authority", "@request.auth.claims.a", "5xx,503", "600", "503,", "(a", "a{2,1}", "(?i)a", "(?=a)"),
        *("a**", "\\1", "[[:foo:]]", "TCP", "http2", "UDP", "SCTP", "127.0.0.1:80", "[::]:80", ":80", "a:80"),
        *("unix:///a", "unix://@a", "unix:///a/", "configmap://default/a", "configmap://other/a", "configmap://a"),
        *(
            "CONNECT",
            "GET",
            "https",
            "a/b/c/d",
            "a/b/*",
            "a/*/c",
            "a//c",
            "NOT_FOUND",
            "YWJj",
            "YQ",
            "oci://a",
            "ftp://a",
        ),
        *("outbound_.80_._.a.b", "a == b", "a ==", "1s", "0s", "1.5s", "5m", "100000s"),
    ],
    "duration": ["0s", "-1s", "1us", "1ms", "1.5s", "1.0005s", "5", "1h30m", "1d", "9999999h"],
    "whole": [-1, 0, 1, 1.5, 2.0, 100, 101, 600, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**63, "5", True, None, [], {}],
    "number": [-0.1, 0, 0.00001, 0.0001, 1, 50.5, 100, 100.1, 1e300, "5", True, None],
    "flag": ["true", 1, None, False, True, []],
    "list": [[], None, {}, "a", [None], [5]],
    "mapping": [{}, None, [], "a", 5],
}
_KEYS = (
    "",
    "*",
    "a b",
    "a/b",
    "x" * 63,
    "x" * 64,
    "-a",
    "host",
    ":path",
    ":authority",
    "@request.auth.claims.x",
    "a,b",
)


def at(pointer: str) -> list[str | int]:
    """The way to a place, from a JSON pointer (RFC 6901)."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return [int(part) if part.isdecimal() and len(part) < 3 else part for part in parts]


def changed(spec: Json, pointer: str, value: Json = ABSENT) -> Json:
    """A copy of a spec with another value at a place, or without it."""
    out = copy.deepcopy(spec)
    *way, last = at(pointer)
    target = out
    for part in way:
        target = target[part if isinstance(target, list) else str(part)]
    last = last if isinstance(target, list) else str(last)
    if value is ABSENT:
        del target[last]
    else:
        target[last] = value
    return out


def changes(schema: Json, value: Json, pointer: str = "") -> Iterator[tuple[str, str, Json]]:
    """Pool (or an empty text), place and value of each change of `value`, whose schema is the CRD's."""
    if pointer:
        for pool in _pools(schema, value):
            for each in POOLS[pool]:
                yield pool, pointer, each
        yield "", pointer, ABSENT
    for word in schema.get("enum", ()):
        yield "", pointer, word
    if isinstance(value, list):
        yield from (("", pointer, [value[0], value[0]]),) if value else ()
        for index, item in enumerate(value):
            yield from changes(schema["items"], item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        yield from _fields(schema, value, pointer)


def _pools(schema: Json, value: Json) -> tuple[str, ...]:
    kind = schema.get("type")
    if kind == "string":
        timed = isinstance(value, str) and value[:1].isdigit() and value.endswith(("s", "m"))
        return ("text", "strange", "duration") if timed else ("text",) if "enum" in schema else ("text", "strange")
    pools = {"integer": "whole", "number": "number", "boolean": "flag", "array": "list", "object": "mapping"}
    return (pools[kind],) if kind in pools else ()


def _fields(schema: Json, value: dict[str, Json], pointer: str) -> Iterator[tuple[str, str, Json]]:
    fields, free = schema.get("properties") or {}, schema.get("additionalProperties")
    for key, field in fields.items():
        if key in value:
            yield from changes(field, value[key], _below(pointer, key))
        else:
            yield "", _below(pointer, key), sample(field)
    if fields:
        yield "", _below(pointer, f"{next(iter(value), next(iter(fields)))}x"), 1
    elif isinstance(free, dict):
        for key, item in value.items():
            yield from changes(free, item, _below(pointer, key))
        for key in _KEYS:
            yield "", _below(pointer, key), next(iter(value.values()), sample(free))


def _below(pointer: str, key: str) -> str:
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def sample(schema: Json) -> Json:
    """A plain value of a type."""
    kind = schema.get("type")
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object":
        if isinstance(schema.get("additionalProperties"), dict):
            return {"a": sample(schema["additionalProperties"])}
        return {key: sample(schema["properties"][key]) for key in schema.get("required", ())}
    if kind == "array":
        return [sample(schema["items"])]
    timed = "duration" in json.dumps(schema.get("x-kubernetes-validations", ())) or "h|m|s" in schema.get("pattern", "")
    return {"integer": max(1, schema.get("minimum", 1)), "number": 1, "boolean": True}.get(kind, "1s" if timed else "a")
