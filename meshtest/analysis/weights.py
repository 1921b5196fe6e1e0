"""Weights: what share of the requests each destination gets in truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.binding import bindings
from meshtest.analysis.catalogue import LONE_WEIGHT, SAME_DESTINATION_TWICE, WEIGHT_OMITTED, WEIGHTS_NOT_100
from meshtest.analysis.finding import INFO, Finding
from meshtest.analysis.host import listed
from meshtest.analysis.sentence import destination, percent
from meshtest.analysis.world import World
from meshtest.translate.virtual_service import Rule

Spec = Mapping[str, Any]


def check(world: World) -> Iterator[Finding]:
    """The destinations of each rule."""
    for binding in bindings(world):
        for rule in binding.rules.rules:
            if "route" in rule.spec:
                yield from _rule(rule, "requests" if rule.section == "http" else "connections")


def _rule(rule: Rule, what: str) -> Iterator[Finding]:
    routes = rule.spec["route"]
    if len(routes) == 1:
        yield from _lone(rule, routes[0], what)
    elif len(routes) > 1:
        yield from _omitted(rule, routes, what)
        yield from _twice(rule, routes, what)
        yield from _relative(rule, routes, what)


def _lone(rule: Rule, route: Spec, what: str) -> Iterator[Finding]:
    weight = route.get("weight", 100)
    if weight != 100:
        meant = f"{weight} %" if weight else "nothing"
        message = (
            f"{destination(route['destination'])} is the only destination of the rule and gets all {what}, not "
            f"{meant}: weights count among several only. "
            f"Add the destination of the others, or take the weight away"
        )
        yield LONE_WEIGHT.at(rule.resource, (*rule.path, "route", 0, "weight"), message)


def _omitted(rule: Rule, routes: list[Spec], what: str) -> Iterator[Finding]:
    total = sum(route.get("weight", 0) for route in routes)
    for index, route in enumerate(routes):
        if "weight" not in route and total:
            name = destination(route["destination"])
            rest = f"write weight: {100 - total} if it is to get the rest" if 0 < total < 100 else "give it a weight"
            message = (
                f"{name} has no weight, which means 0 beside others that have one, so that it gets none of the {what}; {rest}, "
                f"or weight: 0 if this is meant"
            )
            yield WEIGHT_OMITTED.at(rule.resource, (*rule.path, "route", index), message, INFO if total == 100 else "")


def _twice(rule: Rule, routes: list[Spec], what: str) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, route in enumerate(routes):
        name = destination(route["destination"])
        if name in seen and "headers" not in route and "headers" not in routes[seen[name]]:
            line = rule.resource.line(*rule.path, "route", seen[name])
            weights = [each.get("weight", 0) for each in routes]
            share = 100 * sum(
                weight for each, weight in zip(routes, weights, strict=True) if destination(each["destination"]) == name
            )
            message = (
                f"{name} is a destination of this rule already (line {line}), so that it gets "
                f"{percent(share / (sum(weights) or 1))} of the {what}. "
                f"Was another subset meant?"
            )
            yield SAME_DESTINATION_TWICE.at(rule.resource, (*rule.path, "route", index, "destination"), message)
        seen.setdefault(name, index)


def _relative(rule: Rule, routes: list[Spec], what: str) -> Iterator[Finding]:
    """Only a hint: weights are shares of their sum, and need not add up to 100."""
    weights = [route.get("weight", 0) for route in routes]
    total = sum(weights)
    if total == 100 or not 80 <= total <= 120 or any("weight" not in route for route in routes):
        return
    if max(abs(100 * weight / total - weight) for weight in weights) < 1:
        return
    shares = [
        f"{destination(route['destination'])} {percent(100 * weight / total)}"
        for route, weight in zip(routes, weights, strict=True)
    ]
    message = f"the weights add up to {total}, and each is a share of this sum: {listed(shares)} of the {what}"
    yield WEIGHTS_NOT_100.at(rule.resource, (*rule.path, "route"), message)
