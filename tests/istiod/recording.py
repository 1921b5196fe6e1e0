"""Recordings in the golden format: what resources change, relative to a world without them."""

from __future__ import annotations

import json
from typing import Any

from tests.istiod.proxies import Configuration

# Long, the same in every listener, and ignored by the comparison.
LEFT_OUT = {"access_log", "tracing"}


def recording(base: dict[str, Configuration], now: dict[str, Configuration]) -> dict[str, Any]:
    """`{proxy: {kind: {changed: {name: resource}, removed: [name]}}}`, only where something differs."""
    found = {
        proxy: {kind: _change(base[proxy][kind], have) for kind, have in kinds.items()} for proxy, kinds in now.items()
    }
    return _without_empty({proxy: _without_empty(kinds) for proxy, kinds in found.items()})


def as_text(made: dict[str, Any]) -> str:
    return json.dumps(_shorter(made), indent=1, sort_keys=True) + "\n"


def _change(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    return _without_empty({"changed": changed, "removed": sorted(before.keys() - after.keys())})


def _without_empty(value: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in value.items() if each}


def _shorter(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shorter(each) for key, each in value.items() if key not in LEFT_OUT}
    if isinstance(value, list):
        return [_shorter(each) for each in value]
    return value
