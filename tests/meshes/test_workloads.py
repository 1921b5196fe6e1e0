"""Workloads that misbehave, on real Envoys: what traffic sees of it, and that nothing of it stays."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any, cast

import httpx
import pytest

from meshtest.errors import MeshError
from meshtest.meshes.local import change
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.meshes.protocol import Mesh
from meshtest.source import Source
from meshtest.traffic.attribution import by_json
from meshtest.traffic.flow import Flow
from meshtest.traffic.request import GET
from meshtest.workload import Workload
from tests.meshes.conftest import Town, Unwatched
from tests.meshes.manifests import GATEWAY, rules

MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers}
spec:
  selector: {app: web}
  publishNotReadyAddresses: true
  ports: [{name: http, port: 81, targetPort: 8080}, {name: tcp, port: 9000}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-v1}
spec:
  replicas: 3
  selector: {matchLabels: {app: web, version: v1}}
  template: {metadata: {labels: {app: web, version: v1}}}
---
apiVersion: v1
kind: Pod
metadata: {name: shop, labels: {app: shop}}
spec: {}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
"""
# No retries: what is lost is seen.
RULES = GATEWAY + rules("[{route: [{destination: {host: web}}], retries: {attempts: 0}}]")
WEB = "outbound|80||web.default.svc.cluster.local"
DEADLINE = 30.0


@pytest.fixture
def web(town: Town) -> Iterator[Workload]:
    """The workload behind the gateway; whatever is done to it is taken back."""
    town.put(RULES)
    yield Workload(town.mesh, "web-v1", 16, Unwatched())
    town.mesh.restore()


def pods(source: Source, url: str = "/") -> set[str]:
    """Who answers: each instance that can does, up to a chance of 3 x (2/3)^60 < 1e-9."""
    with source.client(url) as client:
        return {client.get("/").json().get("podname", "nobody") for _ in range(60)}


@contextmanager
def load(town: Town, web: Workload) -> Iterator[tuple[Flow, Callable[[], None]]]:
    """Constant load, and what waits until another hundred requests have come to an instance."""

    def more() -> None:
        deadline, wanted = time.monotonic() + DEADLINE, web.seen().requests + 100
        while web.seen().requests < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.002)

    with town.ingress.flow(GET("/"), connections=8, attribute=by_json("$.podname")) as flow:
        more()
        yield flow, more
        more()


def test_a_rolling_restart_loses_nothing(town: Town, web: Workload) -> None:
    """Every request is answered 200, over the first time that endpoints move and later ones, and each instance starts anew."""
    with load(town, web) as (flow, more):
        for _ in range(3):
            web.restarts(rolling=True)
            more()
    assert set(flow.sample.status) == {200}
    assert flow.sample.errors.total() == 0
    assert set(flow.sample.answered) == {each.name for each in web.instances}
    assert web.seen().requests < len(flow.sample)


def test_a_crash_loses_requests(town: Town, web: Workload) -> None:
    """The control: an instance that dies in the endpoints is noticed."""
    with load(town, web) as (flow, more):
        web.instance(0).crashes()
        more()
        web.instance(0).restarts()
    assert flow.sample.statuses()[503] > 0


def test_unready_leaves_the_endpoints(town: Town, web: Workload) -> None:
    """From the moment that it is acknowledged no request comes, but by a Service that publishes all; ready again, it takes its part."""
    first, second, third = (each.name for each in web.instances)
    shop = town.workload("shop")
    for _ in range(3):
        with web.instance(0).unready():
            assert pods(town.ingress) == {second, third}
            assert pods(shop, "http://web/") == {second, third}
            assert pods(shop, "http://peers:81/") == {first, second, third}
        assert pods(town.ingress) == {first, second, third}
    with web.unready():
        answer = town.ingress.get("/")
        assert (answer.status_code, answer.text) == (503, "no healthy upstream")
        rule = town.mesh.rule(None, GET("/"))
        assert rule is not None
        assert [each.missing for each in rule.destinations] == [""]


def test_resources_change_while_an_instance_is_unready(town: Town, web: Workload) -> None:
    """A subset that comes then has the ready instances, and gets the other one when it is ready."""
    subset = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web}\nspec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}\n"
    names = [each.name for each in web.instances]
    web.instance(2).unready()
    town.put(GATEWAY + rules("[{route: [{destination: {host: web, subset: v1}}]}]") + subset)
    assert pods(town.ingress) == set(names[:2])
    web.instance(2).ready()
    assert pods(town.ingress) == set(names)
    web.instance(2).unready()
    town.put(RULES)
    assert pods(town.ingress) == set(names[:2])


def stat(mesh: LocalMesh, name: str) -> int:
    """A counter or gauge of the gateway."""
    found = mesh._gateway().stats("usedonly")
    return int(found.get(name, 0))


def test_ejections_outlive_a_change_of_endpoints(town: Town, web: Workload) -> None:
    """A cluster that discovers its endpoints stays the same one: an instance that was ejected stays so while another leaves and joins."""
    detection = "{consecutive5xxErrors: 1, interval: 3600s, baseEjectionTime: 3600s, maxEjectionPercent: 100}"
    town.put(
        RULES
        + f"---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web}}\nspec: {{host: web, trafficPolicy: {{outlierDetection: {detection}}}}}\n"
    )
    first, second, third = web.instances
    second.unready()
    second.ready()
    with first.fails(500, count=1) as failing:
        while not failing.decided:
            town.ingress.get("/")
    ejections = f"cluster.{WEB};.outlier_detection.ejections_active"
    assert stat(town.mesh, ejections) == 1
    with second.unready():
        assert pods(town.ingress) == {third.name}
    assert pods(town.ingress) == {second.name, third.name}
    assert stat(town.mesh, ejections) == 1


def test_the_threshold_of_a_breaker_is_exact(town: Town, web: Workload) -> None:
    """What is held is what the pool lets through; what waits in the pool comes when they are let go; all else was refused."""
    pool = "{tcp: {maxConnections: 2}, http: {http1MaxPendingRequests: 1}}"
    town.put(
        RULES
        + f"---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web}}\nspec: {{host: web, trafficPolicy: {{connectionPool: {pool}}}}}\n"
    )
    for each in web.instances[1:]:
        each.unready()  # Envoy gives each host one connection, whatever the limit
    with ThreadPoolExecutor(10) as threads, web.holds() as hold:
        asked = [threads.submit(town.ingress.get, "/", timeout=60) for _ in range(10)]
        hold.wait(2)
        refused = finished(asked, 7)
        assert {each.status_code for each in refused} == {503}
        assert {each.headers["x-envoy-overloaded"] for each in refused} == {"true"}
        assert hold.held == 2
        assert web.seen().held == 2
        assert hold.release(1) == 1
        finished(asked, 8)
        hold.wait(2)
        assert hold.release() == 2
        answers = finished(asked, 10)
    assert Counter(each.status_code for each in answers) == {503: 7, 200: 3}


def finished(asked: list[Future[httpx.Response]], count: int) -> list[httpx.Response]:
    """The answers that are there, once there are so many."""
    deadline = time.monotonic() + DEADLINE
    while sum(each.done() for each in asked) < count:
        wait([each for each in asked if not each.done()], timeout=0.05)
        assert time.monotonic() < deadline
    return [each.result() for each in asked if each.done()]


def test_a_hold_that_waits_in_vain_says_so(web: Workload) -> None:
    """MeshError with what is held and what was wanted."""
    with web.holds() as hold, pytest.raises(MeshError, match=r"web-v1 holds 0 requests and not 1 after 0\.01 s"):
        hold.wait(1, timeout=0.01)


def test_finishing_waits_for_what_is_held(town: Town, web: Workload) -> None:
    """A rolling restart does not cut off what an instance has not answered: it says that it waits in vain, and goes on when it does not."""
    with ThreadPoolExecutor(2) as threads:
        first = web.instance(0)
        with first.holds(count=1) as hold:
            asked = [threads.submit(town.ingress.get, "/", timeout=60)]
            while not hold.held:
                asked.append(threads.submit(town.ingress.get, "/", timeout=60))
                finished(asked, len(asked) - 1)
            with pytest.raises(
                MeshError, match=f"{first.name} has [1-9].* under way that it has not answered in 0.05 s"
            ):
                first.restarts(rolling=True, timeout=0.05)
            rolling = threads.submit(first.restarts, rolling=True)
            hold.release()
            rolling.result(DEADLINE)
        assert {each.status_code for each in finished(asked, len(asked))} == {200}


def test_one_instance_fails(town: Town, web: Workload) -> None:
    """Only its answers are failures, and say who failed; the counters agree."""
    mark = web.seen()
    with web.instance(1).fails(503) as failing, town.ingress.client() as client:
        answers = [client.get("/") for _ in range(60)]
        failures = [each for each in answers if each.status_code == 503]
        assert {each.json()["podname"] for each in failures} == {web.instance(1).name}
        assert failing.decided == len(failures) > 0
    assert failing.decided == len(failures)
    seen = web.seen() - mark
    assert (seen.requests, seen.changed, seen.answered) == (60, len(failures), 60 - len(failures))
    assert {each.status_code for each in (town.ingress.get("/") for _ in range(12))} == {200}


def test_some_requests_fail(town: Town, web: Workload) -> None:
    """By path and header, as the instance sees them behind the proxies."""
    web.fails(500, path="/orders", headers={"End-User": "jason"})
    jason = {"end-user": "jason"}
    assert town.ingress.get("/orders/7", headers=jason).status_code == 500
    assert town.ingress.get("/orders/7").status_code == 200
    assert town.ingress.get("/", headers=jason).status_code == 200


def test_grpc_failures_pass_the_proxies(town: Town, web: Workload) -> None:
    """The status arrives in the headers."""
    web.fails(grpc_status=14)
    answer = town.ingress.get("/")
    assert (answer.status_code, answer.headers["grpc-status"]) == (200, "14")


def test_attempts_seen_upstream(town: Town, web: Workload) -> None:
    """A recording tells the attempts that a retry makes, and what proxies made of the headers."""
    town.put(
        GATEWAY
        + rules(
            "[{route: [{destination: {host: web}}], headers: {request: {set: {x-by: gateway}}}, retries: {attempts: 3, retryOn: 5xx}}]"
        )
    )
    with web.recording() as recording:
        web.fails(503)
        assert town.ingress.get("/tries").status_code == 503
        assert len(recording.requests) == 4
    web.recovers()
    town.ingress.get("/after")
    assert {(each.method, each.target, each.header("X-By")) for each in recording.requests} == {
        ("GET", "/tries", "gateway")
    }
    assert len({each.header("x-request-id") for each in recording.requests}) == 1
    times = [each.time for each in recording.requests]
    assert times == sorted(times)


def test_hanging_up(town: Town, web: Workload) -> None:
    """Before the answer the proxy answers 503; within it, the client's answer is cut off too."""
    for reset in (True, False):
        with web.hangs_up(reset=reset):
            answer = town.ingress.get("/")
            assert answer.status_code == 503
            assert "reset" in answer.text
    with web.hangs_up(when="body"), pytest.raises(httpx.RemoteProtocolError, match=r"received [1-9]\d* bytes"):
        town.ingress.get("/")
    assert town.ingress.get("/").status_code == 200


def test_no_keep_alive(town: Town, web: Workload) -> None:
    """Each request takes a connection of its own to the workload; without, they share."""
    sidecar = town.mesh._of("web-v1")
    name = "cluster.inbound|8080||;.upstream_cx_total"

    def opened() -> int:
        before = int(sidecar.stats("usedonly").get(name, 0))
        with town.workload("shop").client("http://peers:81/") as client:
            while web.instance(0).seen().requests < wanted:
                client.get("/")
        return int(sidecar.stats("usedonly")[name]) - before

    web.restarts()
    wanted = 5
    assert opened() <= 1
    with web.closes():
        wanted = 10
        assert opened() >= 4  # the first request goes over the connection that is there


def test_slow_and_stalled(town: Town, web: Workload) -> None:
    """A timeout of the rule cuts in; what is stalled is answered when it is taken back."""
    town.put(GATEWAY + rules("[{route: [{destination: {host: web}}], timeout: 0.2s, retries: {attempts: 0}}]"))
    with web.slow(3600):
        assert town.ingress.get("/").status_code == 504
    with web.stalls():
        assert town.ingress.get("/").status_code == 504
    town.put(RULES)
    stalled = web.stalls()
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(town.ingress.get, "/", timeout=60)
        while not web.seen().held:
            time.sleep(0.002)
        stalled.take_back()
        assert asked.result(DEADLINE).status_code == 200


def test_lines_misbehave(town: Town, web: Workload) -> None:
    """TCP: a line is held, and a connection is hung up on."""
    shop = town.workload("shop")
    with web.holds() as hold, shop.connect("tcp://peers:9000") as connection:
        connection.sendall(b"hello\n")
        hold.wait(1)
        hold.release()
        assert connection.recv(1000).endswith(b" hello\n")
    with web.hangs_up(), shop.connect("tcp://peers:9000") as connection:
        connection.sendall(b"hello\n")
        with suppress(ConnectionResetError):
            assert connection.recv(1000) == b""


def test_a_crash_leaves_the_sidecar(town: Town, web: Workload) -> None:
    """The sidecar is ready, and answers that there is nothing behind it; a restart comes back with nothing seen."""
    web.fails(500)
    with web.crashes():
        answer = town.ingress.get("/")
        assert (answer.status_code, "connect" in answer.text) == (503, True)
        ready = next(iter(town.mesh.readiness("web-v1").values())).address
        assert httpx.get(f"http://{ready[0]}:{ready[1]}/healthz/ready", trust_env=False).status_code == 200
    assert town.ingress.get("/").status_code == 200
    assert web.seen().requests == 1
    with web.crashes():
        web.restarts()
        web.fails(500)
    assert town.ingress.get("/").status_code == 500  # it had come back before the end of the block


def test_a_change_that_is_interrupted(town: Town, web: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    """What interrupts a test amid a change leaves the mesh as it was before."""

    def interrupted(envoys: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(change, "_settle", interrupted)
        with pytest.raises(KeyboardInterrupt):
            web.instance(0).unready()
    assert pods(town.ingress) == {each.name for each in web.instances}


def test_all_is_taken_back(town: Town, web: Workload) -> None:
    """Whatever a test leaves: behaviours, what they hold, recordings, crashes, instances that are unready, and the watched files."""
    files = town.mesh._gateway().folder
    first, second, third = web.instances
    with ThreadPoolExecutor(1) as threads:
        second.unready()
        third.crashes()
        first.holds()
        town.mesh.pods.record("web-v1", None)
        asked = threads.submit(town.ingress.get, "/", timeout=60)
        while not first.seen().held and not asked.done():
            time.sleep(0.002)
        assert list(files.glob("endpoints-*"))
        town.mesh.restore()
        asked.result(DEADLINE)
    assert pods(town.ingress) == {each.name for each in web.instances}
    assert not list(files.glob("endpoints-*"))
    commands = town.mesh._workloads._commands if town.mesh._workloads else 0
    town.mesh.restore()
    assert town.mesh._workloads is not None
    assert town.mesh._workloads._commands == commands


def test_recovering_is_of_one_instance(town: Town, web: Workload) -> None:
    """`recovers()` of an instance leaves the others as they are."""
    first, second, third = web.instances
    web.fails(500)
    first.unready()
    second.crashes()
    first.recovers()
    second.recovers()
    with town.ingress.client() as client:
        answers = [client.get("/") for _ in range(60)]
    assert {(each.json()["podname"], each.status_code) for each in answers} == {
        (first.name, 200),
        (second.name, 200),
        (third.name, 500),
    }


def test_a_command_that_was_interrupted(town: Town, web: Workload) -> None:
    """A reply that nobody has waited for (Ctrl-C) is not taken for the next one."""
    workloads = town.mesh._workloads
    assert workloads is not None
    workloads._send({"id": 0, "command": "ping"})
    assert "observed" in workloads.command("observe", instances=[next(iter(workloads._running))])


class Elsewhere:
    """A mesh that cannot say how workloads behave."""

    kind = "elsewhere"


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda web: web.fails(503, share=1.5), ValueError, "share is from 0 to 1, not 1.5"),
        (lambda web: web.fails(99), ValueError, "status is an HTTP status from 200 to 599, not 99"),
        (lambda web: web.slow(-1), ValueError, "seconds is a time of 0 or more, not -1"),
        (lambda web: web.hangs_up(when="after"), ValueError, "when is one of before, headers, body, not 'after'"),
        (
            lambda web: web.stalls(sahre=1),
            TypeError,
            "stalls\\(\\) takes share, after, count, path, headers, and no sahre",
        ),
        (lambda web: web.instance(3), ValueError, "web-v1 has no instance 3: it has 3, counted from 0"),
        (lambda web: web._pods.behave("web-v1", 3, None), ValueError, "web-v1 has no instance 3"),
        (lambda web: web._pods.unready("web", None), ValueError, "there is no workload 'web'"),
        (lambda web: Workload(web._mesh, "istio-ingressgateway", 1, Unwatched()).fails(), ValueError, "is a gateway"),
        (
            lambda web: Workload(cast(Mesh, Elsewhere()), "web", 1, Unwatched()).fails(),
            MeshError,
            r"the mesh \(elsewhere\) cannot say",
        ),
    ],
)
def test_what_cannot_be(
    town: Town, web: Workload, wrong: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    """Wrong arguments say what there is; nothing has changed then."""
    with pytest.raises(error, match=message):
        wrong(web)
    assert town.ingress.get("/").status_code == 200
