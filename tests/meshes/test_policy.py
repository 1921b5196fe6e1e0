"""Authorization on loopback, without processes: what policies ask of addresses and ports still means the same."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.errors import ResourceError
from meshtest.meshes.local.ground import ground
from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.limits import check_limits
from meshtest.meshes.local.policy import Policies
from meshtest.meshes.local.site import Sites
from meshtest.resources.manifest import check, read_text
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Proxy
from tests.meshes.places import Written, placed
from tests.translate.rbac import Call, allowed
from tests.translate.security import SERVICES, http_policies, peer, policy
from tests.translate.snapshots import GATEWAY, GATEWAY_NAME, Json, snapshot

PLACES: Sites = placed(snapshot("", SERVICES).topology)
CALLED = ("10.20.0.1", 8080)  # many-v1
PODS = sorted(PLACES.by_address)
RANGES = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.20.0.1",
    "10.244.0.0/30",
    "127.0.0.0/8",
    "127.0.0.1",
    "0.0.0.0/1",
    "::/0",
    "128.0.0.0/1",
]


def grounded_filters(text: str) -> list[Json]:
    """The RBAC filters of a workload's HTTP port, on loopback."""
    filters = [{"name": "envoy.filters.http.rbac", "typed_config": each} for each in http_policies(text)]
    chain = {"filters": [{"name": "manager", "typed_config": {"http_filters": filters}}]}
    made = Policies(CALLED, PLACES).grounded(chain)
    return [each["typed_config"] for each in made["filters"][0]["typed_config"]["http_filters"]]


def rules(fields: dict[str, list[str]]) -> str:
    """A policy that allows by these fields."""
    source = {key: value for key, value in fields.items() if "lock" in key and value}
    operation = {key: value for key, value in fields.items() if "lock" not in key and value}
    parts = [f"from: [{{source: {source}}}]"] if source else []
    parts += [f"to: [{{operation: {operation}}}]"] if operation else []
    return policy(f"rules: [{{{', '.join(parts)}}}]")


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **{
            key: st.lists(st.sampled_from(RANGES), max_size=2)
            for key in ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks")
        },
        **{key: st.lists(st.sampled_from(["8080", "80", "9000"]), max_size=2) for key in ("ports", "notPorts")},
    },
)


@settings(deadline=None, max_examples=100)
@given(FIELDS, st.sampled_from([*PODS, "127.0.0.1"]), st.sampled_from([*PODS, "127.0.0.1", "203.0.113.9"]))
def test_decisions_are_those_of_the_cluster(fields: dict[str, list[str]], source: str, remote: str) -> None:
    """Whatever a policy asks of addresses and ports: the filters on loopback say of a pod's call what those of the cluster say."""
    text = rules(fields)
    there = Call(source=source, remote=remote, destination=CALLED[0], port=CALLED[1])
    here = replace(there, source=moved(source), remote=moved(remote), destination="127.9.9.250", port=23456)
    assert allowed(grounded_filters(text), here) == allowed(http_policies(text), there)


def moved(address: str) -> str:
    """Where a call comes from on loopback that comes from a pod's address in the cluster."""
    return PLACES.by_address[address].address if address in PLACES.by_address else address


@pytest.mark.parametrize("block", RANGES)
def test_addresses_that_were_asked_for(block: str) -> None:
    """`destination.ip` is the address of the workload that stands here."""
    text = policy(f"rules: [{{when: [{{key: destination.ip, values: ['{block}']}}]}}]")
    expected = ip_address(CALLED[0]) in ip_network(block)
    assert allowed(grounded_filters(text), Call(destination="127.9.9.250")) == expected


def test_shadow_rules_and_conditions() -> None:
    """Rules that are only tried are on loopback too, and so are conditions and what stands within negations."""
    text = policy(
        "rules: [{when: [{key: source.ip, notValues: [10.20.0.1]}]}]", annotations="{istio.io/dry-run: 'true'}"
    )
    (made,) = grounded_filters(text)
    assert moved("10.20.0.1") in str(made["shadow_rules"])


def test_chains_without_policies_stay() -> None:
    """What asks nothing is left as it is."""
    chain = {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"cluster": "a"}}]}
    assert Policies(CALLED, PLACES).grounded(chain) is chain


def grounded(text: str, proxy: str) -> ProxyConfig:
    """The configuration of a proxy on loopback."""
    given_ = snapshot(text, SERVICES)
    instance = given_.topology.names[proxy][0]
    site = PLACES.by_address[instance.address]
    config = translate(given_, Proxy(instance))
    return ground(Grounds(given_, config, site, PLACES, lambda name: None, Written()))


def filters_of(chain: Json) -> list[str]:
    """The names of the filters in a chain, those within its HTTP connection manager included."""
    names: list[str] = []
    for each in chain["filters"]:
        names += [each["name"], *(within["name"] for within in each["typed_config"].get("http_filters", []))]
    return names


def test_each_listener_asks() -> None:
    """Every port of a workload asks, TCP or HTTP; so does a gateway. No pod's address is left."""
    text = policy(
        "rules: [{from: [{source: {ipBlocks: [10.20.0.1]}}], to: [{operation: {ports: ['8080']}}]}]",
        namespace="istio-system",
    )
    made = grounded(GATEWAY + text, "many-v1")
    listeners = {name: each for name, each in made.listeners.items() if name.startswith("virtualInbound")}
    assert sorted(listeners) == ["virtualInbound_7000", "virtualInbound_8080", "virtualInbound_9000"]
    for each in listeners.values():
        assert all(any(name.endswith(".rbac") for name in filters_of(chain)) for chain in each["filter_chains"])
    decided = {name: '"destination_port"' in str(each) for name, each in listeners.items()}
    assert not any(decided.values())
    (chain,) = grounded(GATEWAY + text, GATEWAY_NAME).listeners["0.0.0.0_8080"]["filter_chains"]
    rbac = chain["filters"][0]["typed_config"]["http_filters"][0]["typed_config"]["rules"]
    (made_policy,) = rbac["policies"].values()
    assert made_policy["permissions"] == [{"and_rules": {"rules": [{"or_rules": {"rules": [{"any": True}]}}]}}]


def test_modes_of_mutual_tls() -> None:
    """Where mutual TLS is off, and where both are taken, plain calls come in."""
    for mode in ("DISABLE", "PERMISSIVE"):
        made = grounded(peer(f"mtls: {{mode: {mode}}}"), "many-v1")
        assert all(made.listeners[f"virtualInbound_{port}"]["filter_chains"] for port in (7000, 8080, 9000))
        assert "transport_socket'" not in str(made.listeners)
    text = peer(
        "selector: {matchLabels: {app: many}}\nmtls: {mode: DISABLE}\nportLevelMtls: {'7000': {mode: PERMISSIVE}}"
    )
    made = grounded(text, "many-v1")
    inspectors = {
        port: [each["name"].rpartition(".")[2] for each in made.listeners[f"virtualInbound_{port}"]["listener_filters"]]
        for port in (7000, 8080, 9000)
    }
    assert inspectors == {7000: ["tls_inspector", "http_inspector"], 8080: [], 9000: []}


SIDECAR = """---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: it}
spec: {ingress: [{port: {number: 8080, protocol: HTTP, name: a}, defaultEndpoint: '127.0.0.1:9000'}]}
"""


def endpoint(cluster: Json) -> tuple[Any, ...]:
    """The only address of a cluster."""
    (member,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    return tuple(member["endpoint"]["address"]["socket_address"].values())


def test_ports_that_a_sidecar_leaves_out() -> None:
    """A port that a Sidecar's ingress leaves out is passed on, by the filter chains for any port; another endpoint is obeyed."""
    made = grounded(SIDECAR, "many-v1")
    site = PLACES.by_address["10.20.0.1"]
    assert endpoint(made.clusters["inbound|8080||"]) == site.workload(9000)
    assert endpoint(made.clusters["InboundPassthroughCluster_9000"]) == site.workload(9000)
    chains = made.listeners["virtualInbound_9000"]["filter_chains"]
    assert [each["filter_chain_match"].get("application_protocols") for each in chains] == [
        ["http/1.1", "h2c"],
        None,
        None,
    ]
    manager, tcp = chains[0]["filters"][-1]["typed_config"], chains[1]["filters"][-1]["typed_config"]
    action = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    assert (action["cluster"], tcp["cluster"]) == ("InboundPassthroughCluster_9000",) * 2
    assert "InboundPassthroughCluster_8080" not in made.clusters


LIMITS = [
    (peer("mtls: {mode: STRICT}"), ["spec.mtls.mode"]),
    (peer("selector: {matchLabels: {a: b}}\nportLevelMtls: {'80': {mode: STRICT}}"), ["spec.portLevelMtls.80.mode"]),
    (peer("mtls: {mode: PERMISSIVE}"), []),
    (policy("rules: [{from: [{source: {namespaces: [a]}}]}]"), ["spec.rules[0].from[0].source.namespaces"]),
    (policy("rules: [{}, {from: [{source: {notPrincipals: [a]}}]}]"), ["spec.rules[1].from[0].source.notPrincipals"]),
    (policy("action: DENY\nrules: [{when: [{key: source.principal, values: [a]}]}]"), ["spec.rules[0].when[0].key"]),
    (policy("action: AUDIT\nrules: [{from: [{source: {namespaces: [a]}}]}]"), []),
    (policy("rules: [{from: [{source: {namespaces: [a]}}]}]", annotations="{istio.io/dry-run: 'true'}"), []),
    (policy("rules: [{from: [{source: {requestPrincipals: [a/b], ipBlocks: [10.0.0.1]}}]}]"), []),
    (
        SIDECAR.replace("name: a}", "name: a}, captureMode: NONE"),
        ["spec.ingress[0].captureMode"],
    ),
    (SIDECAR, []),
]


def limits(text: str, apart: bool = True) -> list[str]:
    """The fields that are refused."""
    try:
        check_limits(check(read_text(text, "test.yaml")), apart)
    except ResourceError as error:
        return [problem.field for problem in error.problems]  # type: ignore[attr-defined]
    return []


@pytest.mark.parametrize(("text", "fields"), LIMITS)
def test_what_cannot_run_is_refused_by_name(text: str, fields: list[str]) -> None:
    """A policy that needs callers with certificates is not run as something else."""
    assert limits(text) == fields


def test_addresses_need_to_be_apart() -> None:
    """Where all workloads share one address, policies that ask for it are refused."""
    text = policy("rules: [{from: [{source: {ipBlocks: [10.0.0.1]}}], when: [{key: remote.ip, values: [10.0.0.1]}]}]")
    assert limits(text, apart=False) == ["spec.rules[0].from[0].source.ipBlocks", "spec.rules[0].when[0].key"]
