"""Which rules of a VirtualService are reached: the first that matches counts, and what lies behind a wider one is dead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshtest.analysis.binding import Binding, bindings, merged_rules
from meshtest.analysis.catalogue import UNREACHABLE_BEHIND_OTHER, UNREACHABLE_MATCH, UNREACHABLE_RULE
from meshtest.analysis.conjunction import Condition, Conjunction, Cover, conjunction
from meshtest.analysis.finding import INFO, Finding
from meshtest.analysis.host import listed
from meshtest.analysis.pattern import EVERY, PREFIX, Pattern, one_of
from meshtest.analysis.sentence import action, line, wanted
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.translate.virtual_service import Rule

Spec = Mapping[str, Any]


def check(world: World) -> Iterator[Finding]:
    """Rules and matches behind others that take all that they match."""
    for binding in bindings(world):
        if binding.delegate:
            continue
        rules = merged_rules(world, binding)
        if len(rules) > 1 or (rules and len(rules[0].spec.get("match", [])) > 1):
            yield from _dead(rules, _context(world, binding, rules))
        for rules in (binding.rules.tls, binding.rules.tcp):
            yield from _dead_layer4(rules, _gateways(binding))
    yield from _behind_others(world)


def _gateways(binding: Binding) -> list[Condition]:
    return [Condition("gateway", one_of(*binding.rules.gateways))]


def _context(world: World, binding: Binding, rules: Sequence[Rule]) -> list[Condition]:
    """What holds of each request that comes here, as far as the matches ask for it."""
    matches = [match for rule in rules for match in rule.spec.get("match", [])]
    out = _gateways(binding) if any(match.get("gateways") for match in matches) else []
    ports = {str(server.number) for server in binding.servers}
    ports |= {str(port.number) for service in binding.services for port in service.ports}
    if ports and any(match.get("port") for match in matches):
        out.append(Condition("port", one_of(*ports)))
    return out


def _dead(rules: Sequence[Rule], context: list[Condition]) -> Iterator[Finding]:
    cover = Cover()
    for number, rule in enumerate(rules):
        matches = rule.spec.get("match", [])
        covers: list[list[int] | None] = []
        for match in matches or [None]:
            wanted_here = conjunction(match)
            covers.append(cover.owners(wanted_here.within(context)))
            cover.add(wanted_here, number)
        yield from _findings(rules, number, matches, covers)


def _findings(
    rules: Sequence[Rule], number: int, matches: list[Spec], covers: list[list[int] | None]
) -> Iterator[Finding]:
    rule = rules[number]
    if all(each is not None and number not in each for each in covers):
        owners = sorted({owner for each in covers if each for owner in each})
        same = all(_same_action(rules[owner], rule) for owner in owners)
        yield UNREACHABLE_RULE.at(rule.resource, rule.path, _rule_sentence(rules, number, owners), INFO if same else "")
        return
    for index, found in enumerate(covers):
        if found is not None:
            same = all(owner == number or _same_action(rules[owner], rule) for owner in found)
            sentence = _match_sentence(rules, number, matches[index], found)
            own = index < len(rule.resource.spec[rule.section][rule.number].get("match", []))  # else it is the root's
            path = (*rule.path, "match", index) if own else rule.path
            yield UNREACHABLE_MATCH.at(rule.resource, path, sentence, INFO if same else "")


def _same_action(one: Rule, other: Rule) -> bool:
    ignored = ("match", "name")
    return {key: value for key, value in one.spec.items() if key not in ignored} == {
        key: value for key, value in other.spec.items() if key not in ignored
    }


def _places(rules: Sequence[Rule], owners: list[int], reader: Rule) -> str:
    found = [line(rules[owner].resource, rules[owner].path, reader.resource) for owner in owners]
    if len(found) == 1:
        matches = rules[owners[0]].spec.get("match", [])
        what = wanted(matches[0]) if len(matches) == 1 else "several matches" if matches else "no match, so anything"
        return f"the rule at {found[0]} ({what})"
    return f"the rules at {listed(found, 6)} together"


def _rule_sentence(rules: Sequence[Rule], number: int, owners: list[int]) -> str:
    rule = rules[number]
    first = rules[owners[0]].spec
    takes = "takes" if len(owners) == 1 else "take"
    matches = rule.spec.get("match", [])
    what = wanted(matches[0]) if len(matches) == 1 else "all that is left" if not matches else "all its matches"
    where = f": these requests {action(first)}" if len(owners) == 1 and _is_http(first) else ""
    return (
        f"this rule is never reached, because {_places(rules, owners, rule)} {takes} everything that it matches ({what}){where}. "
        f"Put the narrower rule first, or take this one away"
    )


def _match_sentence(rules: Sequence[Rule], number: int, match: Spec, owners: list[int]) -> str:
    rule = rules[number]
    if owners == [number]:
        return f"this match ({wanted(match)}) says nothing new: a match before it in the same rule takes all of it. Take it away"
    first = rules[owners[0]].spec
    where = f": these requests {action(first)}" if len(owners) == 1 and _is_http(first) else ""
    return (
        f"this match ({wanted(match)}) is never reached, because {_places(rules, owners, rule)} comes first{where}. "
        f"Put the narrower match first, or take it away"
    )


def _is_http(rule: Spec) -> bool:
    return any(key in rule for key in ("route", "redirect", "directResponse"))


def _dead_layer4(rules: Sequence[Rule], context: list[Condition]) -> Iterator[Finding]:
    cover = Cover()
    for number, rule in enumerate(rules):
        matches = rule.spec.get("match", [])
        covers: list[list[int] | None] = []
        for match in matches or [None]:
            cases = _layer4(match)
            owners = [cover.owners(case.within(context)) for case in cases]
            known = [each for each in owners if each is not None]
            covers.append(sorted({owner for each in known for owner in each}) if len(known) == len(owners) else None)
            for case in cases:
                cover.add(case, number)
        yield from _findings(rules, number, matches, covers)


def _layer4(match: Spec | None) -> list[Conjunction]:
    """One conjunction for each server name."""
    if match is None:
        return [conjunction(None)]
    base = conjunction(
        {key: match[key] for key in ("port", "gateways", "sourceLabels", "sourceNamespace") if key in match}
    )
    subnets = match.get("destinationSubnets")
    more = {Condition("subnets", one_of(" ".join(sorted(subnets))))} if subnets else set()
    names = match.get("sniHosts") or [None]
    return [Conjunction(EVERY, base.conditions | more | _server_name(name)) for name in names]


def _server_name(name: str | None) -> set[Condition]:
    if name is None or name == "*":
        return set()
    backwards = name[::-1].lower()
    if name.startswith("*"):
        return {Condition("server name", Pattern(PREFIX, backwards[:-1]))}
    return {Condition("server name", one_of(backwards))}


def _behind_others(world: World) -> Iterator[Finding]:
    """Rules of VirtualServices that share a host at a Gateway: istiod appends one to the other, what takes all last."""
    shared: dict[tuple[str, str], list[Binding]] = {}
    for binding in bindings(world):
        for gateway in binding.gateways:
            for host in binding.rules.hosts:
                if gateway.serving(host, binding.resource.namespace):
                    shared.setdefault((gateway.name, host), []).append(binding)
    seen: set[tuple[int, Path]] = set()
    for (gateway_name, host), found in shared.items():
        if len(found) > 1:
            yield from _one_host(world, gateway_name, host, found, seen)


def _one_host(
    world: World, gateway: str, host: str, found: list[Binding], seen: set[tuple[int, Path]]
) -> Iterator[Finding]:
    alone = [binding for binding in found if len(binding.rules.gateways) == 1]  # elsewhere a rule may yet be reached
    entries = [(number, rule) for number, binding in enumerate(found) for rule in merged_rules(world, binding)]
    cover = Cover()
    for last in (False, True):
        for place, (number, rule) in enumerate(entries):
            mine = [conjunction(match) for match in rule.spec.get("match") or [None]]
            mine = [each for each in mine if _takes_all(each) is last]
            gone = [cover.owners(each) for each in mine]
            everything = len(mine) == len(rule.spec.get("match") or [None])
            owners = sorted({owner for each in gone if each for owner in each})
            others = [owner for owner in owners if entries[owner][0] != number]
            dead = everything and others and all(each is not None for each in gone) and found[number] in alone
            if dead and (id(rule.resource), rule.path) not in seen:
                seen.add((id(rule.resource), rule.path))
                yield _other_sentence(gateway, host, rule, entries[others[0]][1])
            for each in mine:
                cover.add(each, place)


def _takes_all(match: Conjunction) -> bool:
    return match.path == EVERY and not match.conditions


def _other_sentence(gateway: str, host: str, rule: Rule, first: Rule) -> Finding:
    return UNREACHABLE_BEHIND_OTHER.at(
        rule.resource,
        rule.path,
        f"this rule is never reached: {first.resource} is bound to {host} at the Gateway {gateway} too and comes "
        "before it, and its rule at "
        f"{line(first.resource, first.path, rule.resource)} takes everything that this one matches; these requests {action(first.spec)}. "
        f"Put the rules for one host into one VirtualService",
    )
