"""Translation against what a real istiod sent for the same resources (`../shared/golden`)."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from meshtest.resources.manifest import check, is_istio, read_files
from meshtest.resources.problem import WrongResources
from meshtest.topology.default import default_topology
from meshtest.translate.proxy_config import translate
from meshtest.translate.snapshot import Proxy, Snapshot

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the recordings of a real istiod are not at {GOLDEN}")

CASES = sorted(path.stem for path in (GOLDEN / "cases").glob("*.yaml"))

# Where the recording itself is not what istiod says of the case alone, and how.
ARTEFACTS = {
    # istiod walks over a map of Go: in one recording both orders of two query parameters stand.
    "match-query-params-several": (
        "route 8000 / httpbin.default.svc.cluster.local:8000.routes[0].match.query_parameters",
    ),
    # The recorded gateway still holds a listener of the case before.
    "split-single-destination-with-weight": (
        'listener 8443 / {"server_names": ["three.example.com", "two.example.com"]}',
    ),
}
# What is out of scope now: kinds, and fields by their last name.
LATER_KINDS = {
    *("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication", "ServiceEntry", "WorkloadEntry", "Sidecar"),
    *("Gateway", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "ReferenceGrant"),
}
LATER_FIELDS = {
    "VirtualService": {"tcp", "tls", "delegate", "headers.@request.auth.claims.beta"},
    "DestinationRule": {"tls", "tunnel", "proxyProtocol", "localityLbSetting"},
    "ServiceEntry": {"resolution", "endpoints[0].address"},
    "Gateway": {"port.protocol", "tls.mode", "tls.minProtocolVersion", "tls.serverCertificate", "tls.privateKey"},
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


@cache
def base() -> dict[str, Any]:
    """What the proxies had without any resource."""
    found: dict[str, Any] = json.loads((GOLDEN / "base.json").read_text())
    return found


def translated(path: Path | None) -> dict[str, Any]:
    """What meshtest makes of a case, for each proxy, through JSON as the command prints it."""
    found = read_files([path]) if path else []
    more = [each for each in found if not is_istio(each)]
    topology = default_topology([GOLDEN / "topology.yaml"], more, gateways=False)
    snapshot = Snapshot(topology, check([each for each in found if is_istio(each)]))
    proxies = {name: Proxy(instances[0]) for name, instances in topology.names.items()}
    made = {name: translate(snapshot, proxy).as_json() for name, proxy in proxies.items()}
    out: dict[str, Any] = json.loads(json.dumps(made))
    return out


def differences(case: str) -> list[str] | WrongResources:
    """Where meshtest and istiod disagree; or why meshtest refuses."""
    recorded = json.loads((GOLDEN / "cases" / f"{case}.json").read_text())
    try:
        have = translated(GOLDEN / "cases" / f"{case}.yaml")
    except WrongResources as error:
        return error
    found: list[str] = compare().differences(compare().expected(base(), recorded), have)
    return found


# A case that leaves this list has got worse; one that joins it is written down here.
EQUAL = {
    *(
        "combo-ab-test-by-client",
        "combo-api-gateway-many-services",
        "combo-chaos-drill",
        "combo-circuit-breaker-and-retries",
    ),
    *("cors-full-and-partial", "dest-partial-name-is-not-expanded", "dest-short-name-resolves-in-rule-namespace"),
    *("dest-unknown-host", "dest-unknown-subset-and-port", "direct-response-string-bytes-empty"),
    *(
        "dr-export-to-and-workload-selector",
        "dr-host-edges",
        "dr-subset-and-port-policies-merge",
        "dr-two-rules-one-host-merge",
    ),
    *("dr-wildcard-and-specific-host", "exportto-rules-from-another-namespace", "exportto-virtualservice"),
    *(
        "fault-delay-and-abort",
        "gw-several-servers",
        "headers-request-and-response",
        "headers-route-and-single-destination",
    ),
    *("host-merge-two-rules-on-gateway", "host-not-covered-by-gateway", "host-two-rules-on-mesh-do-not-merge"),
    *("host-wildcard-on-mesh", "host-wildcard-suffix-on-gateway", "lb-hash-on-subset-and-port", "lb-warmup"),
    *("match-duplicate-and-overlapping", "match-gateways-in-match", "match-headers-all-kinds"),
    *("match-source-labels-and-namespace", "match-without-headers", "mirrors-list", "outlier-all-fields"),
    *("outlier-empty-and-zero", "pool-h2-upgrade-and-client-protocol", "pool-http-all-fields", "pool-tcp-all-fields"),
    *("redirect-on-mesh-prefix-rewrite", "redirect-uri-authority-codes", "rewrite-authority-versus-host-headers"),
}


def test_without_resources() -> None:
    """Without any resource, all proxies are configured as istiod configures them."""
    assert compare().differences(base(), translated(None)) == []


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    """A case is translated as istiod did, or refused for nothing but what is out of scope."""
    found = differences(case)
    if isinstance(found, WrongResources):
        assert case not in EQUAL, str(found)
        assert found.unsupported, str(found)
        assert [problem.refusal for problem in found.problems if not out_of_scope(problem)] == []
    elif case in ARTEFACTS:
        assert all(any(known in line for known in ARTEFACTS[case]) for line in found), found
    else:
        assert found == []
        assert case in EQUAL, "equal now: write it down"


def out_of_scope(problem: Any) -> bool:
    """Whether a refusal is one of those that are meant."""
    resource = problem.resource
    if problem.field == "kind":
        return resource.kind in LATER_KINDS and (
            resource.kind != "Gateway" or resource.group == "gateway.networking.k8s.io"
        )
    return any(f".{problem.field}".endswith(f".{field}") for field in LATER_FIELDS.get(resource.kind, ()))


def test_none_is_left_out() -> None:
    """The recordings named here are there."""
    assert set(CASES) >= EQUAL | ARTEFACTS.keys()
    assert len(EQUAL) == 42
