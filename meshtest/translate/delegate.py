"""Rules that a VirtualService leaves to another: the two merged (`mergeVirtualServices`, `pilot/pkg/model/virtualservice.go`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from meshtest.translate.virtual_service import Rule, Spec, VirtualService

_INHERITED = (
    *("rewrite", "directResponse", "timeout", "retries", "fault", "mirror", "mirrors", "mirrorPercent"),
    *("mirror_percent", "mirrorPercentage", "corsPolicy", "headers"),
)
_STRINGS, _MAPS = ("uri", "scheme", "method", "authority"), ("headers", "withoutHeaders", "queryParams")


def merged(rules: Sequence[VirtualService]) -> list[VirtualService]:
    """The VirtualServices with hosts, each rule that delegates replaced by those of its delegate that fit it."""
    delegates = {(each.resource.namespace, each.resource.name): each for each in rules if not each.hosts}
    return [_expanded(each, delegates) for each in rules if each.hosts]


def _expanded(root: VirtualService, delegates: Mapping[tuple[str, str], VirtualService]) -> VirtualService:
    if not any("delegate" in rule.spec for rule in root.http):
        return root
    namespace = root.resource.namespace
    out: list[Rule] = []
    for rule in root.http:
        if "delegate" not in rule.spec:
            out.append(rule)
            continue
        named = rule.spec["delegate"]
        found = delegates.get((named.get("namespace") or namespace, named.get("name", "")))
        if found and found.visible_in(namespace):
            out += [each for own in found.http if (each := _inherited(rule, own))]
    return replace(root, http=out, made={})


def _inherited(root: Rule, own: Rule) -> Rule | None:
    """A delegate's rule with what only the root's says; None if no request can match both."""
    outer, inner = root.spec.get("match", []), own.spec.get("match", [])
    matches = merged_matches(outer, inner)
    if matches is None:
        return None
    spec = {**{key: root.spec[key] for key in _INHERITED if key in root.spec}, **own.spec}
    if matches:
        spec["match"] = matches
    if name := _joined(root.spec, own.spec):
        spec["name"] = name
    return replace(own, spec=spec, root=root, pairs=_pairs(outer, inner) or ())


def _joined(root: Spec, own: Spec) -> str:
    return "-".join(each["name"] for each in (root, own) if each.get("name"))


def merged_matches(root: Sequence[Spec], own: Sequence[Spec]) -> list[Spec] | None:
    """Each match of the delegate within each of the root that it fits; None if one of them fits none."""
    pairs = _pairs(root, own)
    if pairs is None:
        return None
    return [_merged_match({} if n is None else root[n], {} if m is None else own[m]) for m, n in pairs]


def _pairs(root: Sequence[Spec], own: Sequence[Spec]) -> list[tuple[int | None, int | None]] | None:
    """Which match of the delegate stands within which of the root's; one alone where the other says nothing."""
    if not root or not own:
        return [*((m, None) for m in range(len(own))), *((None, n) for n in range(len(root)))]
    out: list[tuple[int | None, int | None]] = []
    for m, inner in enumerate(own):
        fitting = [n for n, outer in enumerate(root) if not conflict(outer, inner)]
        if not fitting:
            return None
        out += [(m, n) for n in fitting]
    return out


def _merged_match(root: Spec, own: Spec) -> Spec:
    out = {**root, **own}
    for key in (*_MAPS, "sourceLabels"):
        if key in out:
            out[key] = {**root.get(key, {}), **own.get(key, {})}
    for key in ("port", "sourceNamespace", "gateways", "statPrefix"):
        if key in root and not own.get(key):
            out[key] = root[key]
    if name := _joined(root, own):
        out["name"] = name
    return out


def conflict(root: Spec, own: Spec) -> bool:
    """Whether a delegate's match is not within one of the root's (`hasConflict`); istiod compares texts, not meanings."""
    return (
        any(_texts_conflict(root.get(key), own.get(key)) for key in _STRINGS)
        or any(
            _texts_conflict(root.get(key, {}).get(name), value)
            for key in _MAPS
            for name, value in own.get(key, {}).items()
        )
        or root.get("ignoreUriCase", False) != own.get("ignoreUriCase", False)
        or (0 not in (ports := (root.get("port", 0), own.get("port", 0))) and ports[0] != ports[1])
        or root.get("sourceNamespace", "") not in ("", own.get("sourceNamespace", ""))
        or any(
            root.get("sourceLabels", {}).get(key, value) != value for key, value in own.get("sourceLabels", {}).items()
        )
        or _gateways_conflict(root.get("gateways", []), own.get("gateways", []))
    )


def _gateways_conflict(root: Sequence[str], own: Sequence[str]) -> bool:
    return bool(root and own) and (len(root) < len(own) or not set(own) <= set(root))


def _texts_conflict(root: Mapping[str, str] | None, own: Mapping[str, str] | None) -> bool:
    if root is None or own is None:
        return False
    said = [any(each.get(kind) for kind in ("exact", "prefix", "regex")) for each in (root, own)]
    if (root.get("regex") and said[1]) or (own.get("regex") and said[0]):
        return True
    if exact := root.get("exact"):
        return bool(own.get("prefix")) or own.get("exact", "") != exact
    if prefix := root.get("prefix"):
        return not (own.get("prefix") or own.get("exact") or "").startswith(prefix)
    return True
