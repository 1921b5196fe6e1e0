"""Which changes change nothing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from meshtest.errors import ResourceError
from meshtest.mutants.equivalence import equivalent
from meshtest.resources.manifest import check, read_objects, read_text
from meshtest.topology.default import default_topology
from meshtest.topology.topology import Topology
from tests.istiod.invention import Invention
from tests.meshes.manifests import GATEWAY, SUBSETS, rules

TOPOLOGY = default_topology(())


def same(before: str, after: str, topology: Topology = TOPOLOGY) -> bool:
    return equivalent(topology, check(read_text(before, "before")), check(read_text(after, "after")))


def routed(http: str) -> str:
    return GATEWAY + rules(http) + SUBSETS


def weighted(*weights: int) -> str:
    route = ", ".join(
        f"{{destination: {{host: reviews, subset: v{at}}}, weight: {each}}}" for at, each in enumerate(weights, 1)
    )
    return routed(f"[{{route: [{route}]}}]")


def rule(path: str, subset: str, name: str = "") -> str:
    named = f"name: {name}, " if name else ""
    return f"{{{named}match: [{{uri: {{prefix: {path}}}}}], route: [{{destination: {{host: reviews, subset: {subset}}}}}]}}"


ONE = "[{route: [{destination: {host: reviews, subset: v1}}]}]"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (weighted(80, 20), weighted(8, 2)),
        (weighted(1, 1), weighted(50, 50)),
        (weighted(100), routed(ONE)),
        (
            weighted(80, 20),
            weighted(80, 20).replace("weight: 80}, ", "weight: 80}, ").replace("name: http,", "name: web,"),
        ),
        (routed(f"[{rule('/a', 'v1')}]"), routed(f"[{rule('/a', 'v1', 'a-name')}]")),
        (routed(ONE), routed(ONE).replace("version: v3", "version: v9")),
        (routed(ONE), routed(ONE).replace("{name: v2,", "{name: v22,")),
        (routed(ONE), routed(ONE).replace("protocol: HTTP", "protocol: HTTP2")),
    ],
)
def test_nothing_changes(before: str, after: str) -> None:
    """Weights in other numbers, names for people, subsets that no rule names, protocols that a gateway treats alike."""
    assert same(before, after)
    assert same(after, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (weighted(80, 20), weighted(79, 21)),
        (weighted(80, 20), weighted(20, 80)),
        (routed(ONE), routed(ONE).replace("version: v1", "version: v9")),
        (routed(ONE), routed(ONE).replace("{name: v1,", "{name: v11,")),
        (routed(ONE), routed(ONE).replace("number: 80", "number: 81")),
        (routed(f"[{rule('/a', 'v1')}, {rule('/', 'v2')}]"), routed(f"[{rule('/', 'v2')}, {rule('/a', 'v1')}]")),
        (routed(ONE), routed(ONE).replace("host: reviews\n", "host: reviews\n  trafficPolicy: {loadBalancer: {simple: RANDOM}}\n")),
        (routed(ONE), routed(ONE).replace("[{route", "[{timeout: 5s, route")),
        (routed(ONE), GATEWAY),
    ],
)  # fmt: skip
def test_something_changes(before: str, after: str) -> None:
    """Shares, labels and names of subsets that are used, ports, the order of rules, policies, timeouts."""
    assert not same(before, after)


@given(st.integers(0, 10**6))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=25)
def test_everything_is_equivalent_to_itself(seed: int) -> None:
    """Also when it is read again, and in another order (but for the last one of a name, which counts)."""
    documents = [*{(each["kind"], str(each["metadata"])): each for each in Invention(seed).documents()}.values()]
    try:
        once = check(read_objects(documents))
    except ResourceError:
        assume(False)
    assert equivalent(TOPOLOGY, once, check(read_objects(documents[::-1])))
