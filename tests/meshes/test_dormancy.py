"""Proxies that sleep through changes: who may, and that nobody can tell; first without processes, then on real Envoys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from meshtest.errors import MeshError
from meshtest.meshes.local.dormancy import Dormancy
from meshtest.meshes.local.ground import ground
from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.resources.manifest import check, read_text
from meshtest.topology.default import default_topology
from meshtest.traffic.request import GET
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.meshes.conftest import Town
from tests.meshes.manifests import GATEWAY, SUBSETS, rules, to
from tests.meshes.places import Written, placed
from tests.meshes.test_local_mesh import ask

TOPOLOGY = default_topology([])
BOOKINFO = {name: pods[0].address for name, pods in TOPOLOGY.names.items()}
SILENT = {"details-v1", "ratings-v1", "reviews-v1"}
SIDECARS = SILENT | {"reviews-v2", "reviews-v3", "productpage-v1"}
DENIED = """
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: none}
spec: {selector: {matchLabels: {app: ratings}}}
"""
TO_RATINGS = rules(
    "[{timeout: 3s, route: [{destination: {host: ratings}}]}]", name="stars", hosts="[ratings]", gateways="[mesh]"
)
TO_DETAILS = TO_RATINGS.replace("ratings", "details")
EJECTING = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: details}
spec: {host: details, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 2}}}
"""
ONLY_RATINGS = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: alone}
spec: {workloadSelector: {labels: {app: ratings}}, egress: [{hosts: ["./details.default.svc.cluster.local"]}]}
"""


def under(text: str) -> tuple[Snapshot, dict[str, ProxyConfig]]:
    """What each proxy of Bookinfo gets."""
    snapshot = Snapshot(TOPOLOGY, tuple(check(read_text(text, "test.yaml"))))
    return snapshot, {each.address: translate(snapshot, Proxy(each)) for each in TOPOLOGY.instances}


def asleep(dormancy: Dormancy, before: str, after: str) -> set[str]:
    """The workloads that sleep through a change."""
    snapshot, wanted = under(after)
    found = dormancy.sleepers(snapshot, under(before)[1], wanted)
    return {name for name, address in BOOKINFO.items() if address in found}


@pytest.mark.parametrize(
    ("change", "awake"),
    [
        (TO_RATINGS, {"productpage-v1", "reviews-v2", "reviews-v3"}),
        (TO_DETAILS, {"productpage-v1"}),
        (EJECTING, {"productpage-v1"}),
    ],
    ids=["ratings", "details", "a cluster"],
)
def test_whose_calls_do_not_meet_it(change: str, awake: set[str]) -> None:
    """They sleep while others are sent the same."""
    assert asleep(Dormancy(TOPOLOGY), GATEWAY, GATEWAY + change) == SIDECARS - awake
    assert asleep(Dormancy(TOPOLOGY), GATEWAY + change, GATEWAY) == SIDECARS - awake - {"istio-ingressgateway"}


def test_calls_that_go_where_nobody_knows() -> None:
    """A caller that knows no Service for its call is awake."""
    only_details = ONLY_RATINGS.replace("app: ratings", "app: reviews")
    assert {"reviews-v2", "reviews-v3"}.isdisjoint(asleep(Dormancy(TOPOLOGY), only_details, only_details))


def test_a_gateway_where_nothing_listens() -> None:
    """It sleeps only if another one is sent the same: a refusal is not to be lost."""
    assert asleep(Dormancy(TOPOLOGY), "", SUBSETS) == SIDECARS - {"details-v1"}


def test_calls_to_a_workload() -> None:
    """What a sidecar does with them counts at once."""
    assert asleep(Dormancy(TOPOLOGY), SUBSETS, SUBSETS + DENIED) == SIDECARS - {"ratings-v1"}


def test_one_of_those_alike_is_awake() -> None:
    """Who is sent what nobody else is, is awake."""
    assert asleep(Dormancy(TOPOLOGY), ONLY_RATINGS, ONLY_RATINGS + TO_DETAILS) == SIDECARS - {
        "ratings-v1",
        "productpage-v1",
    }


def test_the_witness_is_who_was_asked_last() -> None:
    """Where all may sleep one does not: who is likely to be asked again."""
    dormancy = Dormancy(TOPOLOGY)
    snapshot, after = under(SUBSETS)
    before = under("")[1]
    silent = [BOOKINFO[name] for name in sorted(SILENT)]

    def witness() -> str:
        found = dormancy.sleepers(snapshot, *({each: config[each] for each in silent} for config in (before, after)))
        (awake,) = (each for each in silent if each not in found)
        return awake

    assert witness() == silent[0]
    for each in (2, 1):
        dormancy.wake([silent[each]])
        dormancy.rest()
        dormancy.changed(under("")[0])
        assert witness() == silent[each]


def test_what_was_taken_before_needs_no_witness() -> None:
    """The same objects make what proxies have taken already, as before a control and after it; until all rest."""
    dormancy = Dormancy(TOPOLOGY)
    snapshot, after = under(SUBSETS)
    before = under("")[1]
    alone = BOOKINFO["ratings-v1"]

    def sleeps(given: Snapshot) -> bool:
        return alone in dormancy.sleepers(given, {alone: before[alone]}, {alone: after[alone]})

    assert not sleeps(snapshot)
    dormancy.changed(snapshot)
    assert sleeps(replace(snapshot))
    assert not sleeps(replace(snapshot, topology=replace(TOPOLOGY, unready=frozenset({alone}))))
    assert not sleeps(under(SUBSETS)[0])
    dormancy.rest()
    assert not sleeps(snapshot)


def test_who_is_asked_is_awake() -> None:
    """Through every change until all rest, and one more."""
    dormancy = Dormancy(TOPOLOGY)
    dormancy.wake([BOOKINFO["reviews-v1"]])
    for _ in range(2):
        assert asleep(dormancy, "", TO_RATINGS) == SILENT - {"reviews-v1"}
        dormancy.changed(under("")[0])
    dormancy.rest()
    assert asleep(dormancy, "", TO_RATINGS) == SILENT - {"reviews-v1"}
    dormancy.changed(under("")[0])
    assert asleep(dormancy, "", TO_RATINGS) == SILENT


def test_calls_to_a_workload_meet_nothing_that_may_sleep() -> None:
    """The listeners for calls to a workload lead to clusters for them alone, so that a sidecar can be as before for its own calls."""
    snapshot, found = under(GATEWAY + rules(to("v1")) + SUBSETS + DENIED + EJECTING)
    sites = placed(TOPOLOGY)
    for address, given in found.items():
        config = ground(Grounds(snapshot, given, sites.by_address[address], sites, lambda name: None, Written()))
        inbound = str([each for name, each in config.listeners.items() if name.startswith("virtualInbound")])
        assert not any(repr(name) in inbound for name in config.clusters if name.startswith("outbound|")), address


REVIEWS = GET("http://reviews:9080/reviews/0")
IN_THE_MESH = {"hosts": "[reviews]", "gateways": "[mesh]"}


def sent(mesh: LocalMesh, workload: str) -> str:
    """What a workload's proxy has taken of clusters, by its version; it is not asked through the mesh, which would wake it."""
    (address,) = (each.address for each in mesh.topology.names[workload])
    return mesh._envoys[address].versions()["cluster_manager.cds.version_text"]


def test_a_call_wakes(bookinfo: LocalMesh, put: Callable[[str], None]) -> None:
    """A sidecar that has slept through a change obeys it in the first call, and from then on takes part."""
    before = sent(bookinfo, "details-v1")
    for version in ("v1", "v3"):
        put(rules(to(version), **IN_THE_MESH) + SUBSETS)
    assert sent(bookinfo, "details-v1") == before
    assert ask(bookinfo, REVIEWS, "details-v1").json()["podname"].startswith("reviews-v3-")
    after = sent(bookinfo, "details-v1")
    assert after != before
    target = bookinfo.leave("details-v1", REVIEWS)
    put(rules(to("v1"), **IN_THE_MESH))
    assert sent(bookinfo, "details-v1") != after
    assert bookinfo.leave("details-v1", REVIEWS).address == target.address
    bookinfo.restore()
    put("")
    after = sent(bookinfo, "details-v1")
    put(TO_RATINGS)
    assert sent(bookinfo, "details-v1") == after


def test_a_question_wakes(bookinfo: LocalMesh, put: Callable[[str], None]) -> None:
    """Statistics, hosts, readiness and what is kept of a failure are those of proxies that have taken everything."""
    questions: list[Callable[[], object]] = [
        lambda: bookinfo.stats("ratings-v1", "cluster*"),
        lambda: bookinfo.hosts("ratings-v1", "reviews", "v2"),
        lambda: bookinfo.readiness("ratings-v1"),
        lambda: bookinfo.testimony(),
    ]
    for question in questions:
        bookinfo.restore()
        put("")
        before = sent(bookinfo, "ratings-v1")
        put(TO_RATINGS + SUBSETS)
        assert sent(bookinfo, "ratings-v1") == before
        assert question()
        assert sent(bookinfo, "ratings-v1") != before


MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 8000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-v1}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{containerPort: 8000}]}]}
"""


def test_a_refusal_is_not_slept_through(town: Town) -> None:
    """What only sidecars are sent is refused when it is put, also where no workload calls anybody."""
    header = "{request: {set: {x-a: '%NOSUCH%'}}}"
    rule = rules(f"[{{headers: {header}, route: [{{destination: {{host: web}}}}]}}]", hosts="[web]", gateways="[mesh]")
    with pytest.raises(MeshError, match=r"(?s)web-v1.*rejects.*NOSUCH"):
        town.put(rule)
    assert town.workload().get("http://web:8000/").status_code == 200
