"""Which mode of mutual TLS counts for a port (`ComposePeerAuthentication`), and the filter chains that it makes (`filterchain_options.go`)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.translate.peer_authentication import Modes, modes
from meshtest.translate.snapshot import Proxy
from tests.translate.security import SERVICES, chains, inbound, manager, peer
from tests.translate.snapshots import GATEWAY, GATEWAY_NAME, config, snapshot

MANY = "selector: {matchLabels: {app: many}}\n"
FAR = "selector: {matchLabels: {app: far}}\n"


def modes_of(text: str, workload: str = "many-v1") -> Modes:
    """The modes of a workload's ports."""
    given_ = snapshot(text, SERVICES)
    return modes(given_, Proxy(given_.topology.names[workload][0]))


def mtls(mode: str) -> str:
    """A part of a spec."""
    return f"mtls: {{mode: {mode}}}\n"


MESH, NAMESPACE = "istio-system", "default"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("", "PERMISSIVE"),
        (peer(mtls("STRICT"), namespace=MESH), "STRICT"),
        (peer(mtls("DISABLE"), namespace=MESH), "DISABLE"),
        (peer(mtls("UNSET"), namespace=MESH), "PERMISSIVE"),
        (peer("", namespace=MESH), "PERMISSIVE"),
        (peer(mtls("STRICT")), "STRICT"),
        (peer(mtls("STRICT"), namespace="other"), "PERMISSIVE"),
        (peer(mtls("STRICT"), namespace=MESH) + peer(mtls("DISABLE")), "DISABLE"),
        (peer(mtls("STRICT"), namespace=MESH) + peer(mtls("UNSET")), "STRICT"),
        (peer(mtls("STRICT"), namespace=MESH) + peer("mtls: {}"), "STRICT"),
        (peer(mtls("DISABLE")) + peer(MANY + mtls("STRICT"), "own"), "STRICT"),
        (peer(mtls("DISABLE")) + peer(MANY + mtls("UNSET"), "own"), "DISABLE"),
        (peer(mtls("DISABLE")) + peer(MANY, "own"), "DISABLE"),
        (peer(mtls("DISABLE")) + peer(FAR + mtls("STRICT"), "own"), "DISABLE"),
        # An empty selector is none.
        (peer("selector: {}\n" + mtls("STRICT")), "STRICT"),
        (peer("selector: {matchLabels: {}}\n" + mtls("STRICT")), "STRICT"),
        # In the root namespace a policy with a selector does not count.
        (peer(MANY + mtls("STRICT"), namespace=MESH), "PERMISSIVE"),
        # Of several in one scope the oldest counts; then the name decides. What the first leaves open, no second one fills.
        (peer(mtls("STRICT"), "a") + peer(mtls("DISABLE"), "b"), "STRICT"),
        (peer(mtls("STRICT"), "b") + peer(mtls("DISABLE"), "a"), "DISABLE"),
        (peer(mtls("UNSET"), "a") + peer(mtls("DISABLE"), "b"), "PERMISSIVE"),
        (peer(MANY + mtls("STRICT"), "a") + peer(MANY + mtls("DISABLE"), "b"), "STRICT"),
    ],
)
def test_mode_of_a_workload(text: str, mode: str) -> None:
    """The narrowest policy that sets a mode counts: the workload's own, its namespace's, the mesh's."""
    assert modes_of(text) == Modes(mode)


def test_age_decides_before_the_name() -> None:
    """Of several policies in one scope the oldest counts."""
    young = peer(mtls("DISABLE"), "a").replace("name: a,", "name: a, creationTimestamp: '2026-02-01T00:00:00Z',")
    old = peer(mtls("STRICT"), "b").replace("name: b,", "name: b, creationTimestamp: '2026-01-01T00:00:00Z',")
    assert modes_of(young + old) == Modes("STRICT")


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        (peer(MANY + "portLevelMtls: {'8080': {mode: DISABLE}, '7': {mode: STRICT}}"), {8080: "DISABLE", 7: "STRICT"}),
        (
            peer(MANY + mtls("STRICT") + "portLevelMtls: {'8080': {mode: UNSET}, '7': {}}"),
            {8080: "STRICT", 7: "STRICT"},
        ),
        (peer(mtls("DISABLE")) + peer(MANY + "portLevelMtls: {'8080': {}}", "own"), {8080: "DISABLE"}),
        (peer(MANY, "a") + peer(MANY + "portLevelMtls: {'8080': {mode: STRICT}}", "b"), {}),
        (peer(FAR + "portLevelMtls: {'8080': {mode: STRICT}}"), {}),
    ],
)
def test_modes_of_ports(text: str, ports: dict[int, str]) -> None:
    """A port may have a mode of its own; left open, it is the workload's."""
    found = modes_of(text)
    assert found.ports == ports
    assert [found.of_port(number) for number in ports] == [*ports.values()]
    assert found.of_port(1) == found.mode


MODES = st.sampled_from(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"])


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(["mesh", "namespace", "own", "port"]), MODES))
def test_what_is_unset_is_inherited(scopes: dict[str, str]) -> None:
    """Whatever the scopes say, a port's mode is that of the narrowest one that says something, and PERMISSIVE if none does."""
    text = "".join(
        [
            peer(mtls(scopes["mesh"]), namespace=MESH) if "mesh" in scopes else "",
            peer(mtls(scopes["namespace"])) if "namespace" in scopes else "",
        ]
    )
    if scopes.keys() & {"own", "port"}:
        port = f"portLevelMtls: {{'8080': {{mode: {scopes['port']}}}}}" if "port" in scopes else ""
        text += peer(MANY + mtls(scopes.get("own", "UNSET")) + port, "own")
    said = [scopes[each] for each in ("port", "own", "namespace", "mesh") if scopes.get(each, "UNSET") != "UNSET"]
    assert modes_of(text).of_port(8080) == (said[0] if said else "PERMISSIVE")


PLAIN, TLS = "raw_buffer", "tls"
HTTP_IN_MESH = ["istio-http/1.0", "istio-http/1.1", "istio-h2"]
ALL_IN_MESH = ["istio", "istio-peer-exchange", *HTTP_IN_MESH]

# Transport, what is announced, whether mutual TLS ends here, and whether requests are read; in Envoy's order.
CHAINS = [
    ("STRICT", 8080, [(TLS, None, True, True)]),
    ("PERMISSIVE", 8080, [(TLS, ALL_IN_MESH, True, True), (PLAIN, None, False, True)]),
    ("DISABLE", 8080, [(PLAIN, None, False, True)]),
    ("STRICT", 9000, [(TLS, None, True, False)]),
    ("PERMISSIVE", 9000, [(TLS, ALL_IN_MESH, True, False), (TLS, None, False, False), (PLAIN, None, False, False)]),
    ("DISABLE", 9000, [(PLAIN, None, False, False)]),
    ("STRICT", 7000, [(TLS, HTTP_IN_MESH, True, True), (TLS, None, True, False)]),
    (
        "PERMISSIVE",
        7000,
        [
            (TLS, HTTP_IN_MESH, True, True),
            (PLAIN, ["http/1.1", "h2c"], False, True),
            (TLS, ["istio-peer-exchange", "istio"], True, False),
            (PLAIN, None, False, False),
            (TLS, None, False, False),
        ],
    ),
    ("DISABLE", 7000, [(PLAIN, ["http/1.1", "h2c"], False, True), (PLAIN, None, False, False)]),
]


@pytest.mark.parametrize(("mode", "port", "expected"), [*CHAINS, *((mode, 0, rest) for mode, port, rest in CHAINS[6:])])
def test_filter_chains(mode: str, port: int, expected: list[tuple[str, list[str] | None, bool, bool]]) -> None:
    """Which connections a port takes follows from what it speaks and its mode; ports of no Service are sniffed."""
    found = [
        (
            each["filter_chain_match"]["transport_protocol"],
            each["filter_chain_match"].get("application_protocols"),
            "transport_socket" in each,
            "http_filters" in each["filters"][-1]["typed_config"],
        )
        for each in chains(peer(mtls(mode)), port)
    ]
    assert found == expected


def test_a_port_of_no_service_with_a_mode_has_chains_of_its_own() -> None:
    """A mode for a port that no Service leads to adds chains that pass connections on (`ForPassthrough`)."""
    text = peer(MANY + mtls("STRICT") + "portLevelMtls: {'8080': {mode: DISABLE}, '5000': {mode: DISABLE}}")
    assert [each["name"] for each in chains(text, 5000)] == ["virtualInbound-catchall-http", "virtualInbound"]
    assert manager(chains(text, 5000)[0])["route_config"]["name"] == "InboundPassthroughCluster"
    assert chains(text, 5000)[1]["filters"][-1]["typed_config"]["cluster"] == "InboundPassthroughCluster"
    assert [each["name"] for each in chains(text, 8080)] == ["0.0.0.0_8080"]
    assert len(chains(text, 0)) == 2


def listener_filters(text: str) -> dict[str, object]:
    """The inspectors of the listener, each with where it is off."""
    found = inbound(text)["listener_filters"]
    return {each["name"].rpartition(".")[2]: each.get("filter_disabled") for each in found}


def off(*ports: int) -> dict[str, object]:
    """Off at these ports."""
    ranges = [{"destination_port_range": {"start": port, "end": port + 1}} for port in ports]
    return ranges[0] if len(ranges) == 1 else {"or_match": {"rules": ranges}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"original_dst": None, "tls_inspector": off(15006), "http_inspector": off(8080, 9000, 15006)}),
        (peer(mtls("STRICT")), {"original_dst": None, "tls_inspector": off(15006)}),
        (peer(mtls("DISABLE")), {"original_dst": None, "http_inspector": off(8080, 9000, 15006)}),
        (
            peer(MANY + mtls("DISABLE") + "portLevelMtls: {'9000': {mode: STRICT}, '7000': {mode: STRICT}}"),
            {
                "original_dst": None,
                "tls_inspector": {"not_match": off(7000, 9000)},
                "http_inspector": off(7000, 8080, 9000, 15006),
            },
        ),
        (
            peer(MANY + mtls("STRICT") + "portLevelMtls: {'8080': {mode: DISABLE}, '7000': {mode: PERMISSIVE}}"),
            {
                "original_dst": None,
                "tls_inspector": off(8080, 15006),
                "http_inspector": off(0, 8080, 9000, 15006),
            },
        ),
    ],
)
def test_connections_are_looked_at_where_a_chain_wants_to_know(text: str, expected: dict[str, object]) -> None:
    """TLS and HTTP are inspected at the ports whose chains tell them apart (`populateListenerFilters`)."""
    assert listener_filters(text) == expected


def test_gateways_have_no_modes() -> None:
    """PeerAuthentication is for calls to workloads: servers of a gateway have settings of their own."""
    text = peer(mtls("STRICT"), namespace=MESH)
    assert config(GATEWAY + text, GATEWAY_NAME).listeners == config(GATEWAY, GATEWAY_NAME).listeners


def test_trust_domains() -> None:
    """Callers of the mesh's trust domain are taken, of its aliases, and of further authorities (`TrustDomainsForValidation`)."""
    mesh = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "{trustDomain: td, trustDomainAliases: [old, td], caCertificates: [{pem: x, trustDomains: [partner]}]}"}
"""
    listener = config("", "many-v1", SERVICES + mesh).listeners["virtualInbound"]
    sockets = [each["transport_socket"] for each in listener["filter_chains"] if "transport_socket" in each]
    common = sockets[0]["typed_config"]["common_tls_context"]["combined_validation_context"]
    names = common["default_validation_context"]["match_subject_alt_names"]
    assert names == [{"prefix": f"spiffe://{each}/"} for each in ("td", "old", "partner")]
    assert all(each == sockets[0] for each in sockets)
