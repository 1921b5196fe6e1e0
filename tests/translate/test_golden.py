"""Translation against what a real istiod sent for the same resources (`../shared/golden`)."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from types import ModuleType

import pytest

from meshtest.resources.problem import WrongResources
from tests.istiod import comparison
from tests.istiod.places import GOLDEN, TOPOLOGY
from tests.istiod.verdict import base, recorded, translated

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the recordings of a real istiod are not at {GOLDEN}")

CASES = sorted(path.stem for path in (GOLDEN / "cases").glob("*.yaml"))

# Where the recording itself is not what istiod says of the case alone: what is left of it, by what it is about.
ARTEFACTS = {
    # istiod walks over a map of Go: in one recording both orders of two query parameters stand.
    "match-query-params-several": (
        "route 8000 / httpbin.default.svc.cluster.local:8000.routes[0].match.query_parameters",
    ),
    # The proxies still hold listeners, routes and clusters of cases before.
    "split-single-destination-with-weight": (
        'listener 8443 / {"server_names": ["three.example.com", "two.example.com"]}',
    ),
    "se-none-and-wildcard": ("tcp-echo.default.svc.cluster.local", "10.96.1.6_9000"),
    "tcp-gateway-split": ("reviews-v2: route 8080 / allow_any", "reviews-v2: route 9090 / allow_any"),
    "tls-passthrough-gateway-sni": ("reviews-v2: route 8080 / allow_any", "reviews-v2: route 9090 / allow_any"),
    "tls-sni-on-mesh": ("reviews-v2: route 8080 / allow_any", "reviews-v2: route 9090 / allow_any"),
    # That, and istiod's cache of routes does not look at the egress proxy: it sent what other proxies had asked for.
    "sidecar-egress-listeners": ("slow.example.com", "listener 8080 / {}", "allow_any.routes[0].route.cluster"),
}
# Of these a field is refused: the Gateway API, tokens, tunnels, Unix sockets and names resolved at the time of a call.
REFUSED = {
    *("combo-gateway-api-canary-with-policies", "gwapi-cross-namespace-backend-with-grant"),
    *("gwapi-http-hostnames-and-two-routes", "gwapi-mesh-and-gateway-parents", "gwapi-mesh-grpc"),
    *("gwapi-mesh-http-weights-and-headers", "gwapi-tcp-and-tls-routes"),
    *("authz-request-principals", "combo-gateway-jwt-cors-rewrite", "combo-jwt-and-roles"),
    *("dr-tunnel", "se-unix-socket-and-dynamic-dns"),
}


@cache
def compare() -> ModuleType:
    """The comparison that stands beside the recordings."""
    spec = importlib.util.spec_from_file_location("compare", GOLDEN / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def differences(case: str) -> list[str] | WrongResources:
    """Where meshtest and istiod disagree; or why meshtest refuses."""
    path = GOLDEN / "cases" / f"{case}.yaml"
    try:
        have = translated(path)
    except WrongResources as error:
        return error
    want = recorded(path)
    found: list[str] = compare().differences(want, have)
    assert found == comparison.differences(want, have), "the comparison in tests/istiod has fallen behind"
    return found


def test_the_same_base() -> None:
    """What the tests compare with is what was recorded."""
    assert base() == json.loads((GOLDEN / "base.json").read_text())
    assert TOPOLOGY.read_bytes() == (GOLDEN / "topology.yaml").read_bytes()


def test_without_resources() -> None:
    """Without any resource, all proxies are configured as istiod configures them."""
    assert comparison.differences(base(), translated(None)) == []


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    """A case is translated as istiod did, or refused for what is out of scope."""
    found = differences(case)
    if isinstance(found, WrongResources):
        assert found.unsupported, str(found)
        assert case in REFUSED, str(found)
    else:
        assert case not in REFUSED, "translated now: write it down"
        known = ARTEFACTS.get(case, ())
        assert [line for line in found if not any(each in line for each in known)] == []


def test_none_is_left_out() -> None:
    """The recordings named here are there."""
    assert set(CASES) >= REFUSED | ARTEFACTS.keys()
