"""Snapshots that follow each other share what has not changed, and come out as if each were the first."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.resources.manifest import check, read_text
from meshtest.topology.default import default_topology
from meshtest.translate.proxy_config import translate
from meshtest.translate.snapshot import Memory, Proxy, Snapshot
from tests.translate.snapshots import GATEWAY, destination_rule, virtual_service

TOPOLOGY = default_topology([])
GONE = replace(TOPOLOGY, unready=frozenset({TOPOLOGY.names["reviews-v2"][0].address}))
ENTRY = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec: {hosts: [one.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
"""
SIDECAR = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec: {egress: [{hosts: ["./ratings.default.svc.cluster.local"]}]}
"""
PARTS = {
    name: check(read_text(text, f"{name}.yaml"))
    for name, text in {
        "gateway": GATEWAY,
        "reviews": virtual_service("- route: [{destination: {host: reviews}}]"),
        "elsewhere": virtual_service("- route: [{destination: {host: details}}]", "[ratings]", "there"),
        "subsets": destination_rule("host: reviews\nsubsets: [{name: v1, labels: {version: v1}}]", "subsets"),
        "ejecting": destination_rule(
            "host: details\ntrafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}}", "out"
        ),
        "near": destination_rule(
            "host: ratings\ntrafficPolicy: {loadBalancer: {localityLbSetting: {enabled: false}}}", "near"
        ),
        "entry": ENTRY,
        "sidecar": SIDECAR,
    }.items()
}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sets(st.sampled_from(sorted(PARTS))), st.booleans()), min_size=2, max_size=5))
def test_as_if_each_were_the_first(steps: list[tuple[set[str], bool]]) -> None:
    """Whatever was in force before, and whoever was ready, each proxy is sent the same."""
    memory = Memory()
    for names, gone in steps:
        resources = tuple(each for name in sorted(names) for each in PARTS[name])
        topology = GONE if gone else TOPOLOGY
        for instance in topology.instances:
            following = translate(Snapshot(topology, resources, memory), Proxy(instance))
            assert following == translate(Snapshot(topology, resources), Proxy(instance))
