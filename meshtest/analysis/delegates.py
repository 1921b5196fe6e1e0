"""Delegates: who delegates to whom, and whether their matches agree (`pilot/pkg/model/virtualservice_controller.go`)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from meshtest.analysis.binding import Binding, bindings, delegations
from meshtest.analysis.catalogue import DELEGATE_CONFLICT, UNKNOWN_DELEGATE, UNUSED_DELEGATE
from meshtest.analysis.finding import Finding
from meshtest.analysis.sentence import line, wanted
from meshtest.analysis.world import World
from meshtest.resources.manifest import NETWORKING
from meshtest.translate.delegate import conflict, merged_matches
from meshtest.translate.virtual_service import Rule

Key = tuple[str, str]


def check(world: World) -> Iterator[Finding]:
    """Delegates that are missing, hidden, contradictory, or that nobody uses."""
    by_name = {(each.resource.namespace, each.resource.name): each for each in bindings(world)}
    for binding in by_name.values():
        for rule, key in delegations(binding.rules):
            yield from _delegation(world, by_name, binding, rule, key)
        if binding.delegate and not binding.roots and not _used_by_wrong(world):
            yield UNUSED_DELEGATE.at(
                binding.resource,
                ("spec",),
                "this VirtualService has no hosts, which makes it a delegate, and no other one delegates to it, so that it has no effect. "
                "Name its hosts, or delegate to it",
            )


def _used_by_wrong(world: World) -> bool:
    return any(kind == "VirtualService" for _, kind, _, _ in world.wrong)


def _delegation(world: World, by_name: dict[Key, Binding], root: Binding, rule: Rule, key: Key) -> Iterator[Finding]:
    path = (*rule.path, "delegate")
    found = by_name.get(key)
    effect = "the rule is dropped, and its requests go on to the next one, or get 404"
    if root.delegate:
        message = f"a delegate cannot delegate again: {effect}. Delegate to {key[0]}/{key[1]} from the root"
        yield UNKNOWN_DELEGATE.at(root.resource, path, message)
    elif found is None:
        if not world.is_wrong(NETWORKING, "VirtualService", *key):
            yield UNKNOWN_DELEGATE.at(
                root.resource,
                path,
                f"there is no VirtualService {key[0]}/{key[1]}, so that {effect}{_near(by_name, key)}",
            )
    elif not found.delegate:
        message = (
            f"{key[0]}/{key[1]} ({line(found.resource, (), root.resource)}) has hosts, and so is no delegate: {effect}. "
            f"Take its hosts and gateways away"
        )
        yield UNKNOWN_DELEGATE.at(root.resource, path, message)
    elif not found.rules.visible_in(root.resource.namespace):
        message = (
            f"{key[0]}/{key[1]} is not exported to {root.resource.namespace}, so that {effect}. Widen its exportTo"
        )
        yield UNKNOWN_DELEGATE.at(root.resource, path, message)
    else:
        yield from _conflicts(root, rule, found)


def _near(by_name: dict[Key, Binding], key: Key) -> str:
    delegates = [f"{space}/{name}" for (space, name), each in by_name.items() if each.delegate]
    same = [each for each in delegates if each.endswith(f"/{key[1]}")]
    near = same or difflib.get_close_matches(f"{key[0]}/{key[1]}", delegates, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _conflicts(root: Binding, delegating: Rule, found: Binding) -> Iterator[Finding]:
    mine = delegating.spec.get("match", [])
    where = line(root.resource, delegating.path, found.resource)
    for rule in found.rules.http:
        its = rule.spec.get("match", [])
        if merged_matches(mine, its) is not None:
            continue
        bad = next(number for number, one in enumerate(its) if all(conflict(other, one) for other in mine))
        asked = " or ".join(wanted(each) for each in mine)
        message = (
            f"this match ({wanted(its[bad])}) lies outside of what its root delegates at {where} ({asked}), so that "
            "the whole rule is dropped. "
            f"Match a part of what the root matches, or nothing"
        )
        yield DELEGATE_CONFLICT.at(rule.resource, (*rule.path, "match", bad), message)
