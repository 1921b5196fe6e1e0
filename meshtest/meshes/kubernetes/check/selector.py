"""Label selectors of Kubernetes.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil a selector (`matchLabels` and `matchExpressions`, all of them); an empty one matches everything."""
    if not selector:
        return True
    pairs = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in pairs.items()) and all(
        _fulfilled(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _fulfilled(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """NotIn is also true of a label that is not there, as the API server has it."""
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"there is no operator {expression['operator']!r} of label selectors")
