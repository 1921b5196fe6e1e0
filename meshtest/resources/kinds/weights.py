"""Weights of several destinations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import Report


def weighed(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """Some destination of `route` gets traffic; Envoy takes a sum below 2^32, while istiod adds up in 32 bits."""
    weights = [route.get("weight", 0) for route in spec.get("route", [])]
    if len(weights) > 1 and not sum(weights) % 2**32:
        report(
            (*path, "route"),
            f"the weights of the {len(weights)} destinations add up to 0, so that none would get a request",
        )
    elif sum(weights) >= 2**32:
        report((*path, "route"), "the weights add up to 2^32 or more, which Envoy does not take", unsupported=True)
