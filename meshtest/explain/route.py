"""Which route of a virtual host takes a request, and why those before it do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meshtest.explain.condition import Condition, conditions
from meshtest.explain.headers import Headers
from meshtest.explain.matcher import Verdict, all_of

Json = Mapping[str, Any]


def matches(route: Json, request: Headers) -> tuple[Verdict, Sequence[Condition]]:
    """Whether a route takes a request, and the conditions that keep it from it, or (None) that cannot be told."""
    found = [*conditions(route["match"], request)]
    verdict = all_of(each.holds for each in found)
    return verdict, [each for each in found if each.holds is verdict] if verdict is not True else ()


def route_for(routes: Sequence[Json], request: Headers) -> tuple[Json | None, Sequence[Condition]]:
    """The first route that takes a request; where that cannot be told, the conditions that it hangs on."""
    for route in routes:
        verdict, hindering = matches(route, request)
        if verdict:
            return route, ()
        if verdict is None:
            return route, hindering
    return None, ()
