"""Where a piece of configuration comes from: the rule, its file and line, and the lines of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshtest.translate.snapshot import Snapshot
from meshtest.translate.virtual_service import Rule, VirtualService

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Origin:
    """A rule of a VirtualService, perhaps of its delegate, and the number of one of its matches (None if it has none)."""

    owner: VirtualService
    rule: Rule
    match: int | None = None

    def __str__(self) -> str:
        rule, root = self.rule, self.rule.root
        match = f".match[{self.match}]" if self.match is not None and len(rule.spec["match"]) > 1 else ""
        left = f" (left to it by {root.resource} spec.http[{root.number}])" if root else ""
        return f"{rule.resource} spec.{rule.section}[{rule.number}]{match}{left}"

    @property
    def where(self) -> str:
        """File and line of the match, or of the rule if it has none itself."""
        rule = self.rule
        own = self.match if rule.root is None or self.match is None else rule.pairs[self.match][0]
        return rule.where if own is None else rule.resource.where("spec", rule.section, rule.number, "match", own)

    def at(self, *path: str | int) -> str:
        """File and line of a field of the rule: a delegate's own, else the root's."""
        rule = self.rule
        if rule.root is not None and path and path[0] not in _written(rule):
            rule = rule.root
        return rule.resource.where("spec", rule.section, rule.number, *path)

    def at_match(self, *path: str | int) -> str:
        """File and line of a field of the match."""
        rule, number = self.rule, self.match
        if rule.root is not None and number is not None:
            own, outer = rule.pairs[number]
            if own is None or (outer is not None and not _has(_written(rule)["match"][own], path)):
                rule, number = rule.root, outer
            else:
                number = own
        here = () if number is None else ("match", number, *path)
        return rule.resource.where("spec", rule.section, rule.number, *here)


def _written(rule: Rule) -> Json:
    """The rule as its author wrote it."""
    written: Json = rule.resource.spec[rule.section][rule.number]
    return written


def _has(value: Any, path: tuple[str | int, ...]) -> bool:
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def noted(made: Json) -> Json:
    """What the translation notes in a route or a filter chain; empty if nothing."""
    note: Json = made.get("metadata", {}).get("filter_metadata", {}).get("meshtest", {})
    return note


def origin(snapshot: Snapshot, made: Json, section: str = "http") -> Origin | None:
    """The rule that a route or a filter chain is made of, if it is of one."""
    note = noted(made)
    if "rule" not in note:
        return None
    owner = _owners(snapshot)[note.get("root", note["resource"])]
    if "entry" in note:
        rule = owner.http[note["entry"]]
    elif section == "http":
        rule = _own_rules(snapshot, owner)[note["rule"]]
    else:
        rule = next(each for each in (*owner.tcp, *owner.tls) if each.where == note["where"])
    return Origin(owner, rule, note.get("match"))


def _owners(snapshot: Snapshot) -> Mapping[str, VirtualService]:
    found = snapshot.virtual_services
    return snapshot.once("VirtualServices by name", lambda: {str(each.resource): each for each in found})


def _own_rules(snapshot: Snapshot, owner: VirtualService) -> Mapping[int, Rule]:
    key = ("own rules", owner.resource.key)
    return snapshot.once(key, lambda: {each.number: each for each in owner.http if each.root is None})
