"""Stand-ins in pods of a real cluster, behind sidecars: `meshtest bookinfo`, behaviour on demand, readiness, relays."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meshtest import GET, Driver
from meshtest.authority import Authority
from meshtest.bookinfo.behaviour import Behaviour
from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.admin import ask
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.cluster import Cluster
from meshtest.meshes.kubernetes.pods import ClusterPods
from meshtest.meshes.kubernetes.relays import Relays
from meshtest.resources.manifest import read_files
from meshtest.topology.default import bookinfo
from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology, topology

from .stand_ins import DEADLINE, pods_in, stand_ins, until

TOWN = read_files([Path(__file__).parents[2] / "suites" / "town.yaml"])
RUNS = {"reviews-v2": 1, "ratings-v1": 1, "echo-v1": 2, "client": 1}
FAILS = Behaviour("fails", status=503)


@dataclass
class Town:
    """A namespace with sidecars in which some stand-ins run."""

    api: Api
    namespace: str
    relays: Relays
    told: list[tuple[list[str], bool]] = field(default_factory=list)

    def topology(self) -> Topology:
        return Cluster(self.api, (self.namespace,), "istio-system").topology()

    def pods(self, owner: str = "tests") -> ClusterPods:
        world = [self.topology()]
        return ClusterPods(self.api, owner, lambda: world[-1], self.tell, lambda: world.append(self.topology()))

    def tell(self, instances: Collection[Instance], *, ready: bool) -> None:
        self.told.append(([each.name for each in instances], ready))

    def instances(self, workload: str) -> tuple[Instance, ...]:
        names = self.topology().names
        return names.get(f"{workload}.{self.namespace}") or names[workload]

    def to(self, host: str, port: int, caller: str = "client") -> tuple[str, int]:
        """Where a host is called as a workload calls it."""
        return self.relays.to(self.instances(caller)[0], host, port)

    def statuses(self, url: str, count: int = 20, caller: str = "client") -> dict[int, int]:
        host, _, port = url.split("/")[2].partition(":")
        with Driver(self.to(host, int(port), caller), connections=4) as driver:
            return dict(driver.run(GET(url), count).statuses())

    def ready(self, service: str) -> set[str]:
        """The pods behind a Service that EndpointSlices say to be ready."""
        found = self.api.list(
            f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices",
            labelSelector=f"kubernetes.io/service-name={service}",
        )
        endpoints = [endpoint for each in found for endpoint in each.get("endpoints") or ()]
        return {each["targetRef"]["name"] for each in endpoints if each["conditions"]["ready"]}


@pytest.fixture(scope="module")
def town(api: Api) -> Iterator[Town]:
    with stand_ins(api, [*bookinfo(), *TOWN], RUNS) as namespace:
        relays = Relays(api.forward)
        try:
            yield Town(api, namespace, relays)
        finally:
            relays.close()


@pytest.fixture
def pods(town: Town) -> Iterator[ClusterPods]:
    pods = town.pods()
    try:
        yield pods
        pods.restore()
    finally:
        pods.close()


def test_calls_go_through_sidecars(town: Town, pods: ClusterPods) -> None:
    """A call of a workload's own reaches reviews, which calls ratings by its name: each with the identity that its sidecar proves."""
    recorded = {name: pods.record(name, None) for name in ("reviews-v2", "ratings-v1")}
    with Driver(town.to("reviews", 9080), connections=1) as driver:
        assert driver.run(GET("http://reviews:9080/reviews/0", headers={"end-user": "jason"}), 1).statuses() == {200: 1}
    [reviews], [ratings] = (pods.recorded(number, end=True) for number in recorded.values())
    assert "/sa/client" in str(reviews.header("x-forwarded-client-cert"))
    assert "/sa/bookinfo-reviews" in str(ratings.header("x-forwarded-client-cert"))
    assert ratings.header("end-user") == "jason"
    assert ratings.header("x-request-id") == reviews.header("x-request-id")
    assert reviews.pod == town.instances("reviews-v2")[0].name


def test_clocks_agree(town: Town, pods: ClusterPods) -> None:
    """What pods saw is told in our time, so that it can be put in order with what was sent."""
    number = pods.record("ratings-v1", None)
    before = time.monotonic()
    town.statuses("http://ratings:9080/ratings/0", 5)
    after = time.monotonic()
    times = [each.time for each in pods.recorded(number, end=True)]
    assert len(times) == 5
    assert before <= times[0] < times[-1] <= after


def test_behaviours(town: Town, pods: ClusterPods) -> None:
    """A workload fails as it is told, counts what it does, and recovers."""
    number = pods.behave("ratings-v1", None, FAILS)
    mark = pods.observe("ratings-v1", None)
    assert town.statuses("http://ratings:9080/ratings/0") == {503: 20}
    decided = pods.decided("ratings-v1", None, number)
    assert decided == (pods.observe("ratings-v1", None) - mark).changed >= 20  # and what the sidecar tried again
    assert pods.take_back("ratings-v1", None, number) == decided
    assert town.statuses("http://ratings:9080/ratings/0") == {200: 20}


def test_held_requests(town: Town, pods: ClusterPods) -> None:
    """Requests are held, counted and let go; the sidecar has them under way meanwhile."""
    number = pods.behave("ratings-v1", None, Behaviour("holds"))
    asking = socket.create_connection(town.to("ratings", 9080), timeout=30)
    with asking:
        asking.sendall(b"GET /ratings/0 HTTP/1.1\r\nhost: ratings:9080\r\n\r\n")
        until(lambda: pods.held("ratings-v1", None, number) == 1, "the request is held")
        with pytest.raises(MeshError, match="under way that it has not answered in 0 s"):
            pods.finish("ratings-v1", None, 0)
        assert pods.release("ratings-v1", None, number, 1) == 1
        assert asking.recv(4096).startswith(b"HTTP/1.1 200 ")
        pods.finish("ratings-v1", None, 30)


def test_unready(town: Town, pods: ClusterPods) -> None:
    """A pod that is told to be unready leaves the endpoints by its own probe, and comes back; who waits for proxies is told."""
    names = {each.name for each in town.instances("echo-v1")}
    assert town.ready("echo") == names
    [first, second] = pods.names("echo-v1")
    pods.unready("echo-v1", 0)
    assert town.ready("echo") == {second}
    assert town.told[-1] == ([first], False)
    pods.ready("echo-v1", 0)
    assert town.ready("echo") == names
    assert town.told[-1] == ([first], True)
    pods.unready("echo-v1", 1)
    pods.restore()
    assert town.ready("echo") == names


def test_crash(town: Town, pods: ClusterPods) -> None:
    """The workload's ports refuse, and the sidecar answers 503; Kubernetes restarts nothing, and the pod stays in the endpoints."""
    pods.crash("ratings-v1", None)
    assert town.statuses("http://ratings:9080/ratings/0", 5) == {503: 5}
    assert town.ready("ratings") == {town.instances("ratings-v1")[0].name}
    pods.start("ratings-v1", None)
    assert town.statuses("http://ratings:9080/ratings/0", 5) == {200: 5}
    restarts = [
        state["restartCount"]
        for pod in pods_in(town.api, town.namespace)
        for state in pod["status"]["containerStatuses"]
    ]
    assert set(restarts) == {0}


def test_a_run_that_is_gone(town: Town) -> None:
    """What a run that ended without a word told pods is taken back when the next one comes."""
    first, second = town.pods("first"), town.pods("second")
    try:
        first.behave("ratings-v1", None, FAILS)
        assert town.statuses("http://ratings:9080/ratings/0", 5) == {503: 5}
        second.observe("ratings-v1", None)
        assert town.statuses("http://ratings:9080/ratings/0", 5) == {200: 5}
        with pytest.raises(MeshError, match="second has taken over from first"):
            first.observe("ratings-v1", None)
    finally:
        first.close()
        second.close()


def test_lines(town: Town) -> None:
    """TCP: what comes back is the pod's, and where the connection leaves the caller's pod is known."""
    with socket.create_connection(town.to("echo", 9000), timeout=30) as client:
        client.sendall(b"hello\n")
        pod, _, said = client.makefile("rb").readline().decode().partition(" ")
        assert (pod in town.ready("echo"), said) == (True, "hello\n")
        assert town.relays.source_of(client.getsockname())[0] == town.instances("client")[0].address


def test_tls(town: Town, pods: ClusterPods) -> None:
    """Stand-ins that speak TLS prove the name that is asked for by the run's authority."""
    authority = Authority.new()
    pods.prove(authority)
    context = ssl.create_default_context(cadata=authority.pem)
    with (
        socket.create_connection(town.to("echo", 8443), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=f"echo.{town.namespace}.svc.cluster.local") as client,
    ):
        client.sendall(b"GET /a HTTP/1.1\r\nhost: echo\r\nconnection: close\r\n\r\n")
        body = client.makefile("rb").read().partition(b"\r\n\r\n")[2]
    assert json.loads(body)["tls"]["server_name"] == f"echo.{town.namespace}.svc.cluster.local"


def test_nobody_there(town: Town) -> None:
    """A name that nobody has is known not to lead anywhere."""
    address = town.to("nowhere.invalid", 80)
    with socket.create_connection(address, timeout=30) as client, pytest.raises(ConnectionResetError):
        client.recv(1)
    assert town.relays.refusal(town.instances("client")[0], "nowhere.invalid", 80).startswith("EAI_")


def test_localities(town: Town) -> None:
    """istiod believes the label: the endpoint that a sidecar has is where the manifest's node is."""
    [client] = town.instances("client")
    said = json.loads(ask(town.api, client.namespace, client.name, "/clusters?format=json"))
    found = {
        (host["locality"]["region"], host["locality"]["zone"])
        for cluster in said["cluster_statuses"]
        if cluster["name"] == f"outbound|8000||echo.{town.namespace}.svc.cluster.local"
        for host in cluster["host_statuses"]
    }
    assert found == {("forest", "glade")}


def test_what_is_no_stand_in(town: Town) -> None:
    """Pods of other programs cannot behave, and the error says where stand-ins come from."""
    pods = ClusterPods(town.api, "tests", lambda: topology(TOWN), town.tell)
    try:
        with pytest.raises(ValueError, match=r"client is no stand-in, .* `meshtest bookinfo`"):
            pods.behave("client", None, FAILS)
    finally:
        pods.close()


def test_namespaces_of_others(town: Town) -> None:
    """Pods of namespaces that were not named are told nothing, and keep to whom they obey."""
    pods = ClusterPods(town.api, "stranger", town.topology, town.tell, namespaces=["elsewhere"])
    try:
        with pytest.raises(
            ValueError, match=r"namespace .*, which may not be touched: --mesh-namespace does not name it"
        ):
            pods.crash("client", None)
        pods.prove(Authority.new())
    finally:
        pods.close()


def test_deletion(town: Town, pods: ClusterPods) -> None:
    """A pod that is deleted answers what it has, and no request is lost while another takes its place."""
    before = town.ready("echo")
    with Driver(town.to("echo", 8000), connections=4) as driver, ThreadPoolExecutor(1) as threads:
        flow = threads.submit(driver.run, GET("http://echo:8000/a"), duration=DEADLINE, rate=100)
        try:
            until(lambda: driver.progress[1] > 20, "requests are answered")
            pods.delete("echo-v1", 0)
            answered = driver.progress[1]
            until(lambda: driver.progress[1] > answered + 50, "requests are answered by those that are there now")
        finally:
            driver.stop()
    assert set(flow.result().statuses()) == {200}
    after = town.ready("echo")
    assert len(after) == 2
    assert len(before & after) == 1
    assert set(pods.names("echo-v1")) == after
