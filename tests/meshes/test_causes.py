"""Why requests got their answers, on real Envoys: flags and details, who was asked, statistics, and the state of hosts."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from meshtest.causes import LogWitness
from meshtest.errors import MeshError, PolicyViolation
from meshtest.fixtures import Mesh
from meshtest.judging.answered import answered
from meshtest.judging.fault import aborted
from meshtest.meshes import access_logs
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.traffic.driver import Driver
from meshtest.traffic.request import GET
from meshtest.traffic.sample import join
from tests.meshes.manifests import GATEWAY, SUBSETS, rules, to
from tests.translate.security import policy

RATINGS = "/api/v1/products/0/ratings"  # of productpage, which answers with the status that ratings gave it


@pytest.fixture
def mesh(bookinfo: LocalMesh, tmp_path: Path) -> Iterator[Mesh]:
    """Bookinfo, as a test sees it."""
    own = Mesh(bookinfo, tmp_path, "test", 16, lambda found, sample: None, lambda text: None, "off")
    yield own
    own.restore()


def fault(host: str, what: str) -> str:
    """Calls within the mesh to a host meet a fault."""
    route = f"[{{fault: {{{what}}}, route: [{{destination: {{host: {host}}}}}]}}]"
    return rules(route, hosts=f"[{host}]", gateways="[mesh]", name=f"fault-{host}")


def gateway(http: str) -> str:
    """A gateway with these rules."""
    return GATEWAY + rules(http) + SUBSETS


def refusing(mesh: LocalMesh) -> str:
    """A host whose only endpoint is a port of a pod that nobody serves."""
    pod = mesh.topology.names["details-v1"][0].address
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: refusing}}
spec:
  hosts: [refusing.example.com]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{{address: {pod}, ports: {{http: 1234}}}}]
"""


def pool(**settings: int) -> str:
    """A connection pool of productpage."""
    tcp, http = settings.pop("maxConnections", 1024), ", ".join(f"{key}: {value}" for key, value in settings.items())
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: page}}
spec: {{host: productpage, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {tcp}}}, http: {{{http}}}}}}}}}
"""


PAGE = "route: [{destination: {host: productpage}}]"
REVIEWS = "route: [{destination: {host: reviews, subset: v1}}]"
ABORT = "abort: {percentage: {value: 100}, httpStatus: 555}"
DELAY = "delay: {percentage: {value: 100}, fixedDelay: 0.1s}"
LATE = fault("ratings", "delay: {percentage: {value: 100}, fixedDelay: 1s}")
BROKEN = fault("ratings", "abort: {percentage: {value: 100}, httpStatus: 503}")
EMPTY = SUBSETS.replace("version: v1", "version: v9")
REFUSED = "refusing.example.com"
# What is in force, the path that is asked for, and what the gateway says: its summary, and the attempts.
SITUATIONS = {
    "an answer": (gateway(f"[{{{REVIEWS}}}]"), "/reviews/0", "200 - via_upstream", 1),
    "abort": (gateway(f"[{{fault: {{{ABORT}}}, {REVIEWS}}}]"), "/reviews/0", "555 FI fault_filter_abort", 0),
    "delay": (gateway(f"[{{fault: {{{DELAY}}}, {REVIEWS}}}]"), "/reviews/0", "200 DI via_upstream", 1),
    "both": (gateway(f"[{{fault: {{{DELAY}, {ABORT}}}, {REVIEWS}}}]"), "/reviews/0", "555 DI,FI fault_filter_abort", 0),
    "a fault is not retried": (
        gateway(f"[{{fault: {{{ABORT}}}, retries: {{attempts: 3, retryOn: 5xx}}, {REVIEWS}}}]"), "/", "555 FI fault_filter_abort", 0,
    ),
    "no route": (gateway(f"[{{match: [{{uri: {{exact: /a}}}}], {PAGE}}}]"), "/b", "404 NR route_not_found", 0),
    "no cluster": (GATEWAY + rules(to("v1")), "/reviews/0", "503 NC cluster_not_found", 0),
    "no endpoints": (GATEWAY + rules(to("v1")) + EMPTY, "/reviews/0", "503 UH no_healthy_upstream", 1),
    "redirect": (gateway("[{redirect: {uri: /there}}]"), "/", "301 - direct_response", 0),
    "a workload's error": (gateway(f"[{{{PAGE}}}]") + BROKEN, RATINGS, "503 - via_upstream", 1),
    "retried": (
        gateway(f"[{{retries: {{attempts: 3, retryOn: 5xx}}, {PAGE}}}]") + BROKEN, RATINGS, "503 URX via_upstream", 4,
    ),
    "timeout": (gateway(f"[{{timeout: 0.2s, {PAGE}}}]") + LATE, RATINGS, "504 UT response_timeout", 1),
    "timeout of a try": (
        gateway(f"[{{retries: {{attempts: 2, perTryTimeout: 0.1s, retryOn: gateway-error}}, {PAGE}}}]") + LATE,
        RATINGS, "504 URX,UT upstream_per_try_timeout", 3,
    ),
    "denied": (
        gateway(f"[{{{REVIEWS}}}]") + policy("selector: {matchLabels: {istio: ingressgateway}}\nrules: [{to: [{operation: {paths: [/a]}}]}]", namespace="istio-system"),
        "/reviews/0", "403 - rbac_access_denied_matched_policy[none]", 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_the_gateway_says(mesh: Mesh, name: str) -> None:
    """Each situation has its flags, details and attempts, and one line at the gateway."""
    resources, path, summary, attempts = SITUATIONS[name]
    mesh.apply(resources)
    said = mesh.access_log(mesh.ingress.get(path))
    assert (said[0].summary, said[0].attempts, said[0].path) == (summary, attempts, path)
    assert [entry.kind for entry in said].count("gateway") == 1
    assert all((entry.token, entry.number) == (said[0].token, 0) for entry in said)


@pytest.mark.parametrize(
    ("retries", "flags", "attempts"), [("", ("URX", "UF"), 3), ("retries: {attempts: 0}, ", ("UF",), 1)]
)
def test_connections_that_fail(mesh: Mesh, retries: str, flags: tuple[str, ...], attempts: int) -> None:
    """TLS to a sidecar in the clear is a failure of the upstream, tried again by default."""
    tls = "{host: details, trafficPolicy: {tls: {mode: SIMPLE}}}"
    rule = f"---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: details}}\nspec: {tls}\n"
    mesh.apply(GATEWAY + rules(f"[{{{retries}route: [{{destination: {{host: details}}}}]}}]") + rule)
    (said,) = mesh.access_log(mesh.ingress.get("/details/0"))
    assert (said.status, said.flags, said.attempts) == (503, flags, attempts)
    assert "connection_failure" in said.details
    assert "TLS" in said.upstream_failure


def test_refused_connections(mesh: Mesh, bookinfo: LocalMesh) -> None:
    """A workload that does not listen is its own sidecar's upstream: that one says so, and the gateway has it from there."""
    mesh.apply(GATEWAY + rules(f"[{{route: [{{destination: {{host: {REFUSED}}}}}]}}]") + refusing(bookinfo))
    at_gateway, at_sidecar = mesh.access_log(mesh.ingress.get("/"))
    assert (at_gateway.summary, at_gateway.upstream_cluster) == ("503 - via_upstream", f"outbound|80||{REFUSED}")
    assert (at_sidecar.kind, at_sidecar.status, at_sidecar.flags) == ("inbound", 503, ("URX", "UF"))
    assert "Connection_refused" in at_sidecar.details


def test_a_passage_through_all_proxies(mesh: Mesh) -> None:
    """A page is asked for at the gateway, and asks details and reviews, who asks ratings; each proxy on the way says so."""
    mesh.apply(gateway(f"[{{{PAGE}}}]") + rules(to("v3"), hosts="[reviews]", gateways="[mesh]", name="v3"))
    said = mesh.access_log(mesh.ingress.get("/productpage"))
    passed = [(entry.proxy.partition("-")[0], entry.kind) for entry in said]
    assert passed[:2] == [("istio", "gateway"), ("productpage", "inbound")]
    assert sorted(passed[2:]) == [
        ("details", "inbound"),
        ("productpage", "outbound"),
        ("productpage", "outbound"),
        ("ratings", "inbound"),
        ("reviews", "inbound"),
        ("reviews", "outbound"),
    ]
    asked = [
        entry.upstream_instance.rpartition("-")[0].rpartition("-")[0] for entry in said if entry.kind == "outbound"
    ]
    assert sorted(asked) == ["details-v1", "ratings-v1", "reviews-v3"]
    assert {entry.summary for entry in said} == {"200 - via_upstream"}


def test_calls_of_a_workload(mesh: Mesh) -> None:
    """The first proxy of a workload's call is its own sidecar, also where the call comes back to it."""
    mesh.apply(gateway(f"[{{{PAGE}}}]"))
    source = mesh.workload("productpage-v1")
    said = mesh.access_log(source.get("http://productpage:9080/productpage"))
    assert (said[0].kind, said[0].path, said[0].authority) == ("outbound", "/productpage", "productpage:9080")
    sample = source.measure(GET("http://productpage:9080/productpage"), 30, causes=True)
    assert {cause.upstream_cluster for cause in sample.known} == {
        "outbound|9080||productpage.default.svc.cluster.local"
    }
    (nowhere,) = mesh.access_log(source.get("http://nosuch.example.com:9080/"))[:1]
    assert (nowhere.upstream_cluster, nowhere.upstream_instance) == ("PassthroughCluster", "outside")


def test_a_sample_knows_causes(mesh: Mesh) -> None:
    """Each request has what the gateway said of it; what is injected is told from what a workload answers."""
    half = "abort: {percentage: {value: 50}, httpStatus: 503}"
    mesh.apply(gateway(f"[{{fault: {{{half}}}, {PAGE}}}]") + BROKEN)
    with mesh.watching(
        "istio-ingressgateway", "http.*.fault.aborts_injected", "cluster.*productpage*.upstream_rq_503"
    ) as change:
        sample = mesh.ingress.measure(GET(RATINGS), 400, causes=True)
    assert sample.statuses() == {503: 400}
    flags = sample.flags()
    assert flags["FI"] + flags["-"] == 400
    assert min(flags.values()) > 100  # one in 1e24 would be less, of 400 coins
    assert change["http.*.fault.aborts_injected"] == flags["FI"]
    assert change["cluster.*productpage*;.upstream_rq_503"] == flags["-"]
    assert sample.summaries() == {"503 FI fault_filter_abort": flags["FI"], "503 - via_upstream": flags["-"]}
    assert [cause.number for cause in sample.known] == list(range(400))
    for entries in sample.logs():
        aborted = entries[0].flags == ("FI",)
        assert len(entries) == (1 if aborted else 3), "the gateway; and productpage's sidecar on both of its sides"
    assert len(sample.entries) == 400
    assert str(sample.entries[0]).count(RATINGS) == 1


def test_joined_and_pickled(mesh: Mesh) -> None:
    """Joined samples keep their causes, one without any has None; in another process logs cannot be read."""
    mesh.apply(gateway(f"[{{{REVIEWS}}}]"))
    first = mesh.ingress.measure(GET("/reviews/0"), 3, causes=True)
    bare = mesh.ingress.measure(GET("/reviews/0"), 2)
    last = mesh.ingress.measure(GET("/reviews/0"), 2, causes=True)
    joined = join(first, bare, last)
    assert joined.causes is not None
    assert [cause and cause.number for cause in joined.causes] == [0, 1, 2, None, None, 0, 1]
    assert [entries[0].token for entries in joined.logs([0, 6])] == [first.known[0].token, last.known[0].token]
    assert joined.log(3) == ()
    with pytest.raises(ValueError, match="causes=True"):
        bare.flags()
    copied = pickle.loads(pickle.dumps(joined))
    assert copied == joined
    with pytest.raises(ValueError, match="process that took the sample"):
        copied.log(0)


def test_delays_are_told_from_slow_answers(mesh: Mesh) -> None:
    """What the proxy holds back is told from what the workload takes, whatever the client saw."""
    mesh.apply(
        gateway(
            f"[{{match: [{{uri: {{prefix: /reviews}}}}], fault: {{{DELAY.replace('0.1s', '0.5s')}}}, {REVIEWS}}}, {{{PAGE}}}]"
        )
        + LATE
    )
    delayed, slow = (mesh.access_log(mesh.ingress.get(path))[0] for path in ("/reviews/0", RATINGS))
    assert delayed.held is not None
    assert slow.held is not None
    assert slow.upstream_first_byte is not None
    assert delayed.flags == ("DI",)
    assert slow.flags == ()
    assert delayed.held > 0.25  # timers of a busy proxy may fire early
    assert slow.upstream_first_byte - slow.held >= 0.5
    for entry in (delayed, slow):
        points = [
            entry.request_end,
            entry.upstream_start,
            entry.upstream_first_byte,
            entry.response_start,
            entry.response_end,
        ]
        assert points == sorted(point for point in points if point is not None)
        assert entry.duration == entry.response_end


def test_overflow(mesh: Mesh) -> None:
    """More at once than a connection pool takes are turned away by it, with UO; statistics count the same."""
    overflow = "cluster.*productpage*.upstream_rq_pending_overflow"
    mesh.apply(
        gateway(f"[{{retries: {{attempts: 0}}, {PAGE}}}]") + pool(maxConnections=1, http1MaxPendingRequests=1) + LATE
    )
    assert mesh.ingress.get("/health").status_code == 200  # while a connection opens, its request counts as pending
    with mesh.watching("istio-ingressgateway", overflow) as change:
        sample = mesh.ingress.measure(GET(RATINGS), 8, connections=8, causes=True)
        assert change[overflow] == sample.flags()["UO"], "it is live"
    assert sample.summaries() == {
        "200 - via_upstream": 2,
        "503 UO upstream_reset_before_response_started{overflow}": 6,
    }
    assert change[overflow] == change["cluster.*.upstream_rq_pending_overflow"] == 6
    assert len(change) == 1
    assert str(change).endswith("upstream_rq_pending_overflow +6")
    with pytest.raises(KeyError, match="not watched"):
        change["cluster.*.upstream_rq_retry"]


def test_a_client_that_leaves(mesh: Mesh) -> None:
    """A request that its client gives up has no answer, and yet a cause."""
    mesh.apply(gateway(f"[{{{PAGE}}}]") + LATE)
    sample = mesh.ingress.measure(GET(RATINGS), 3, timeout=0.2, causes=True)
    assert sample.errors == {"timeout after 0.2 s": 3}
    assert sample.summaries() == {"0 DC downstream_remote_disconnect": 3}


def test_requests_that_do_not_get_there(mesh: Mesh, bookinfo: LocalMesh) -> None:
    """Nobody knows anything of a connection that is refused."""
    mesh.apply(GATEWAY)
    target = bookinfo.enter(GET("/"))
    mesh.restore()
    with Driver(target.address, witness=LogWitness(bookinfo, target)) as driver:
        sample = driver.run(GET("/"), 2)
    assert (sample.errors, sample.causes, sample.log(1)) == ({"connect: refused": 2}, [None, None], ())


def test_own_user_agents(mesh: Mesh) -> None:
    """A request keeps the User-Agent that a test gives it, and then nothing is known of it; that is said."""
    mesh.apply(gateway(f"[{{match: [{{headers: {{user-agent: {{exact: Firefox}}}}}}], {REVIEWS}}}]"))
    answer = mesh.ingress.get("/reviews/0", headers={"user-agent": "Firefox"})
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="this one had its own: 'Firefox'"):
        mesh.access_log(answer)
    with pytest.raises(ValueError, match="this one has its own: 'Firefox'"):
        mesh.ingress.measure(GET("/reviews/0", headers={"user-agent": "Firefox"}), 10, causes=True)
    assert mesh.ingress.get("/reviews/0").status_code == 404


HOSTILE = '/a"b\\\\c%22,{"path":"x"}'


@pytest.mark.parametrize(
    ("path", "logged", "summary"),
    [
        (HOSTILE, "/a%22b//c%22,%7B%22path%22:%22x%22%7D", "404 NR route_not_found"),  # as it is normalized
        (f"{HOSTILE}%00", f"{HOSTILE}%00", "400 - path_normalization_failed"),
    ],
)
def test_hostile_requests(mesh: Mesh, path: str, logged: str, summary: str) -> None:
    """Quotes, backslashes and bytes that are no UTF-8 do not break a line."""
    mesh.apply(gateway(f"[{{match: [{{uri: {{prefix: /reviews}}}}], {REVIEWS}}}]"))
    sample = mesh.ingress.measure(GET(path, headers={"x-forwarded-for": 'é"\\, \xff'}), 3, causes=True)
    assert sample.summaries() == {summary: 3}
    assert [getattr(entries[0], "path", "") for entries in sample.logs()] == [logged] * 3


def test_several_requests_of_a_client(mesh: Mesh) -> None:
    """Each request over a client's connection is told apart."""
    mesh.apply(gateway(f"[{{match: [{{uri: {{prefix: /reviews}}}}], {REVIEWS}}}]"))
    with mesh.ingress.client() as client:
        first, second = client.get("/reviews/0"), client.get("/nosuch")
    assert mesh.access_log(second)[0].summary == "404 NR route_not_found"
    assert mesh.access_log(first)[0].summary == "200 - via_upstream"


def test_a_proxy_that_stays_silent(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that takes the token away is found out: MeshError names the proxy, and what may be the reason."""
    monkeypatch.setattr(access_logs, "DEADLINE", 0.3)
    mesh.apply(gateway(f"[{{headers: {{request: {{set: {{user-agent: other}}}}}}, {REVIEWS}}}]"))
    with pytest.raises(MeshError, match=r"istio-ingressgateway.* says nothing of 5 requests .numbers 0, 1.*User-Agent"):
        mesh.ingress.measure(GET("/reviews/0"), 5, causes=True)
    answer = mesh.ingress.get("/reviews/0")
    with pytest.raises(MeshError, match=r"istio-ingressgateway.* says nothing of 1 requests"):
        mesh.access_log(answer)


def test_tokens_of_others(mesh: Mesh) -> None:
    """A token that the mesh has not given out is refused."""
    stranger = httpx.Response(200, request=httpx.Request("GET", "http://a/", headers={"user-agent": "meshtest/abc.0"}))
    with pytest.raises(ValueError, match="abc is no token"):
        mesh.access_log(stranger)


def test_requests_without_a_token_are_not_logged(mesh: Mesh, bookinfo: LocalMesh) -> None:
    """Logs do not grow by what nobody asks for."""
    mesh.apply(gateway(f"[{{{REVIEWS}}}]"))
    known = {envoy.name: envoy.access_log.stat().st_size for envoy in bookinfo._envoys.values()}
    mesh.ingress.measure(GET("/reviews/0"), 50)
    said = mesh.access_log(mesh.ingress.get("/reviews/0"))  # comes behind them
    for envoy in bookinfo._envoys.values():
        more = envoy.access_log.read_bytes()[known[envoy.name] :].count(b"\n")
        assert more == sum(entry.proxy == envoy.name for entry in said)


def test_statistics(mesh: Mesh) -> None:
    """Counters by glob, of a workload or an instance; what was not used is not there."""
    mesh.apply(gateway(f"[{{{REVIEWS}}}]"))
    pattern = "cluster.inbound|9080||*.upstream_rq_total"
    before = sum(mesh.stats("reviews-v1", pattern).values())
    mesh.ingress.measure(GET("/reviews/0"), 20)
    assert sum(mesh.stats("reviews-v1", pattern).values()) == before + 20
    (host,) = mesh.hosts("istio-ingressgateway", "reviews", "v1")
    assert mesh.stats(host.instance, pattern) == mesh.stats("reviews-v1", pattern)
    assert mesh.stats("reviews-v1", "cluster.nosuch*") == {}
    with pytest.raises(ValueError, match="did you mean 'reviews-v1'"):
        mesh.stats("review-v1")
    with pytest.raises(ValueError, match="say which"), mesh.watching("reviews-v1"):
        pass


def test_hosts(mesh: Mesh) -> None:
    """Who is behind a Service, what each was asked, and that one is ejected, by whose name."""
    detection = (
        "outlierDetection: {consecutive5xxErrors: 3, interval: 60s, baseEjectionTime: 60s, maxEjectionPercent: 100}"
    )
    rule = f"---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: page}}\nspec: {{host: productpage, trafficPolicy: {{{detection}}}}}\n"
    mesh.apply(gateway(f"[{{{PAGE}}}]") + rule + BROKEN)
    (host,) = mesh.hosts("istio-ingressgateway", "productpage")
    assert host.healthy
    assert host.instance.startswith("productpage-v1-")
    first = mesh.ingress.measure(GET(RATINGS), 3, connections=1, causes=True)
    assert [cause.summary for cause in first.known] == ["503 - via_upstream"] * 3
    deadline = time.monotonic() + 10
    while not (ejected := mesh.hosts("istio-ingressgateway", "productpage.default.svc.cluster.local", "")[0]).flags:
        assert time.monotonic() < deadline
    assert ejected.flags == ("failed_outlier_check",)
    mesh.ingress.get("/nowhere")  # a whole exchange later the worker knows it, too
    then = mesh.ingress.measure(GET(RATINGS), 2, connections=1, causes=True)
    assert [cause.summary for cause in then.known] == ["503 UH no_healthy_upstream"] * 2
    (ejected,) = mesh.hosts("istio-ingressgateway", "productpage.default.svc.cluster.local", "")
    assert ejected.stats["rq_error"] == ejected.stats["rq_total"] == 3
    assert len(mesh.hosts("istio-ingressgateway", "reviews", "")) == 3
    with pytest.raises(ValueError, match=r"no cluster for productpages.*did you mean 'productpage'"):
        mesh.hosts("istio-ingressgateway", "productpages")


def test_causes_in_csv(mesh: Mesh) -> None:
    """Causes are further columns."""
    mesh.apply(gateway(f"[{{fault: {{{ABORT}}}, {REVIEWS}}}]"))
    sample = mesh.ingress.measure(GET("/reviews/0"), 10, causes=True)
    header, *rows = sample.to_csv().splitlines()
    assert header.endswith("error,flags,details,attempts,upstream_instance,held")
    assert [row.split(",")[5:9] for row in rows] == [["FI", "fault_filter_abort", "0", ""]] * 10


def test_expectations_of_causes(mesh: Mesh) -> None:
    """What asks for causes is given them: aborts, delays and log lines are expectations that hold, and that others do not."""
    routes = f"[{{match: [{{uri: {{prefix: /reviews}}}}], fault: {{{ABORT}}}, {REVIEWS}}}, {{match: [{{uri: {{prefix: /details}}}}], {PAGE}}}]"
    mesh.apply(gateway(routes))
    mesh.ingress.expect(GET("/reviews/0"), aborted(555))
    mesh.ingress.expect(GET("/nosuch"), answered(404, flags="NR", details="route_not_found", attempts=0))
    with pytest.raises(PolicyViolation, match=r"(?s)causes: .* x 404 - via_upstream\n    \["):
        mesh.ingress.expect(GET("/details/nosuch"), answered(404, flags="NR"))


def test_a_flow_knows_causes(mesh: Mesh) -> None:
    """Requests in the background have causes too."""
    mesh.apply(gateway(f"[{{{REVIEWS}}}]"))
    with mesh.ingress.flow(GET("/reviews/0"), rate=200, causes=True) as flow:
        assert mesh.ingress.get("/reviews/0").status_code == 200
    assert flow.sample.summaries() == {"200 - via_upstream": len(flow.sample)}
