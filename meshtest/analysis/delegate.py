"""Rules of a delegate with what its root says (`MergeHTTPRoutes` in `pilot/pkg/model/virtualservice.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Spec = Mapping[str, Any]

_INHERITED = (
    *("rewrite", "directResponse", "timeout", "retries", "fault", "mirror", "mirrorPercent"),
    *("mirrorPercentage", "corsPolicy", "mirrors", "headers"),
)
_STRINGS = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "withoutHeaders", "queryParams")


def merged(root: Spec, rule: Spec) -> Spec | None:
    """A delegate's rule behind a root's; None where their matches contradict each other, and the rule is dropped."""
    matches = merged_matches(root.get("match", []), rule.get("match", []))
    if matches is None:
        return None
    out = {**{key: root[key] for key in _INHERITED if key in root}, **rule}
    out.pop("match", None)
    return {**out, "match": matches} if matches else out


def merged_matches(root: list[Spec], leaf: list[Spec]) -> list[Spec] | None:
    """Each match of the delegate with each of the root that it does not contradict; None if one contradicts all."""
    if not root or not leaf:
        return leaf or root
    out: list[Spec] = []
    for one in leaf:
        fitting = [_both(other, one) for other in root if not contradict(other, one)]
        if not fitting:
            return None
        out += fitting
    return out


def _both(root: Spec, leaf: Spec) -> Spec:
    out = {**root, **{key: value for key, value in leaf.items() if value not in ("", 0, [])}}
    for key in (*_MAPS, "sourceLabels"):
        if both := {**root.get(key, {}), **leaf.get(key, {})}:
            out[key] = both
    out.pop("ignoreUriCase", None)
    return {**out, "ignoreUriCase": True} if leaf.get("ignoreUriCase") else out


def contradict(root: Spec, leaf: Spec) -> bool:
    """Whether istiod takes the delegate's match for one that lies outside the root's (`hasConflict`)."""
    if any(_strings_contradict(root.get(key), leaf.get(key)) for key in _STRINGS):
        return True
    for key in _MAPS:
        mine = root.get(key, {})
        if any(_strings_contradict(mine.get(name), value) for name, value in leaf.get(key, {}).items()):
            return True
    if root.get("ignoreUriCase", False) != leaf.get("ignoreUriCase", False):
        return True
    if root.get("port") and leaf.get("port") and root["port"] != leaf["port"]:
        return True
    if root.get("sourceNamespace") and leaf.get("sourceNamespace") != root["sourceNamespace"]:
        return True
    labels = root.get("sourceLabels", {})
    if any(labels.get(key, value) != value for key, value in leaf.get("sourceLabels", {}).items()):
        return True
    some, others = root.get("gateways"), leaf.get("gateways")
    return bool(some and others and (len(some) < len(others) or not set(others) <= set(some)))


def _strings_contradict(root: Spec | None, leaf: Spec | None) -> bool:
    if root is None or leaf is None:
        return False
    if (root.get("regex") and any(leaf.values())) or (leaf.get("regex") and any(root.values())):
        return True
    if exact := root.get("exact"):
        return bool(leaf.get("prefix")) or leaf.get("exact", "") != exact
    if prefix := root.get("prefix"):
        inner = leaf.get("prefix") or leaf.get("exact")
        return not inner or not inner.startswith(prefix)
    return True
