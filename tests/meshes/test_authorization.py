"""Policies on the local mesh: real Envoys turn away what they turn away in a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from meshtest.meshes.local.mesh import LocalMesh
from meshtest.resources.manifest import check, read_text
from meshtest.resources.problem import WrongResources
from meshtest.topology.default import default_topology
from meshtest.traffic.request import GET, Request
from tests.meshes.manifests import GATEWAY, rules
from tests.translate.security import peer, policy

Put = Callable[[str], None]
REVIEWS = "selector: {matchLabels: {app: reviews}}\n"
EDGE = "selector: {matchLabels: {istio: ingressgateway}}\n"
ROUTES = GATEWAY + rules("[{route: [{destination: {host: reviews}}]}]")


def status(mesh: LocalMesh, request: Request, workload: str | None = None) -> int:
    """The status of one request through the ingress gateway, or from a workload; 0 if the connection is closed."""
    target = mesh.enter(request) if workload is None else mesh.leave(workload, request)
    transport = httpx.HTTPTransport(local_address=target.source)
    with httpx.Client(transport=transport, trust_env=False) as client:
        url = f"http://{target.address[0]}:{target.address[1]}{request.path}"
        try:
            answer = client.request(request.method, url, headers=[*request.headers, ("Host", target.host)])
        except httpx.RemoteProtocolError:
            return 0
    if answer.status_code == 403:
        assert answer.text == "RBAC: access denied"
    return answer.status_code


def test_by_path_and_method(bookinfo: LocalMesh, put: Put) -> None:
    """A sidecar lets in what an ALLOW policy names, and nothing else; the way there does not matter."""
    allowed = "rules: [{to: [{operation: {methods: [GET], paths: [/reviews/*]}}]}, {to: [{operation: {paths: ['/{*}/open/{**}']}}]}]"
    put(ROUTES + policy(REVIEWS + allowed))
    for workload in (None, "productpage-v1"):
        base = "" if workload is None else "http://reviews:9080"
        assert status(bookinfo, GET(f"{base}/reviews/0"), workload) == 200
        assert status(bookinfo, GET(f"{base}/health"), workload) == 403
        assert status(bookinfo, Request("POST", f"{base}/reviews/0"), workload) == 403
        assert status(bookinfo, GET(f"{base}/x/open/y/z"), workload) == 404
        assert status(bookinfo, GET(f"{base}/x/y/open/z"), workload) == 403
    assert status(bookinfo, GET("http://details:9080/details/0"), "productpage-v1") == 200


def test_by_header_and_host(bookinfo: LocalMesh, put: Put) -> None:
    """Headers and hosts decide; what DENY names is turned away though ALLOW names it too."""
    allow = policy(REVIEWS + "rules: [{when: [{key: 'request.headers[x-role]', values: [admin, 'test*']}]}]", "allow")
    deny = policy(REVIEWS + "action: DENY\nrules: [{to: [{operation: {hosts: ['*.Example.com']}}]}]", "deny")
    put(ROUTES + allow + deny)
    assert status(bookinfo, GET("/reviews/0")) == 403
    assert status(bookinfo, GET("/reviews/0", headers={"x-role": "guest"})) == 403
    for role in ("admin", "tester"):
        assert status(bookinfo, GET("/reviews/0", headers={"x-role": role})) == 200
        assert status(bookinfo, GET("http://a.example.com/reviews/0", headers={"x-role": role})) == 403


def test_by_address(bookinfo: LocalMesh, put: Put) -> None:
    """A pod's address is that of its calls: ranges of the cluster mean the workloads in them."""
    addresses = {name: instances[0].address for name, instances in bookinfo.topology.names.items()}
    page = addresses["productpage-v1"]
    put(ROUTES + policy(f"{REVIEWS}rules: [{{from: [{{source: {{ipBlocks: [{page}]}}}}]}}]"))
    request = GET("http://reviews:9080/reviews/0")
    assert status(bookinfo, request, "productpage-v1") == 200
    assert status(bookinfo, request, "ratings-v1") == 403
    assert status(bookinfo, GET("/reviews/0")) == 403  # it comes from the gateway
    put(ROUTES + policy(f"{REVIEWS}action: DENY\nrules: [{{when: [{{key: source.ip, notValues: [{page}]}}]}}]"))
    assert status(bookinfo, request, "productpage-v1") == 200
    assert status(bookinfo, request, "ratings-v1") == 403
    put(
        ROUTES
        + policy(
            f"{REVIEWS}rules: [{{from: [{{source: {{remoteIpBlocks: [{page}/32], notIpBlocks: [127.0.0.0/8]}}}}]}}]"
        )
    )
    assert status(bookinfo, request, "productpage-v1") == 200
    forwarded = GET("http://reviews:9080/reviews/0", headers={"x-forwarded-for": page})
    assert status(bookinfo, forwarded, "ratings-v1") == 200
    assert status(bookinfo, request, "ratings-v1") == 403


def test_at_the_gateway(bookinfo: LocalMesh, put: Put) -> None:
    """A gateway asks before it routes; its port and its callers' address count."""
    text = "rules: [{to: [{operation: {paths: [/reviews/*], ports: ['8080']}}], from: [{source: {ipBlocks: [127.0.0.0/8]}}]}]"
    put(ROUTES + policy(EDGE + text, namespace="istio-system"))
    assert status(bookinfo, GET("/reviews/0")) == 200
    assert status(bookinfo, GET("/anything")) == 403
    put(ROUTES + policy(EDGE + text.replace("8080", "80"), namespace="istio-system"))
    assert status(bookinfo, GET("/reviews/0")) == 403
    put(
        ROUTES
        + policy(EDGE + "rules: [{from: [{source: {remoteIpBlocks: [203.0.113.0/24]}}]}]", namespace="istio-system")
    )
    assert (
        status(bookinfo, GET("/reviews/0", headers={"x-forwarded-for": "203.0.113.9"})) == 403
    )  # nobody vouches for it


def test_nothing_matches(bookinfo: LocalMesh, put: Put) -> None:
    """A policy without rules turns everybody away; one that is only tried, nobody; and all is open when it is taken back."""
    put(ROUTES + policy("", namespace="istio-system"))
    assert status(bookinfo, GET("/reviews/0")) == 403
    assert status(bookinfo, GET("http://reviews:9080/reviews/0"), "productpage-v1") == 403
    put(ROUTES + policy("", namespace="istio-system", annotations="{istio.io/dry-run: 'true'}"))
    assert status(bookinfo, GET("/reviews/0")) == 200
    put(ROUTES)
    assert status(bookinfo, GET("/reviews/0")) == 200


def test_tokens_that_nobody_checks(bookinfo: LocalMesh, put: Put) -> None:
    """Without RequestAuthentication no token counts, so a policy that asks for one lets nobody in, as in a cluster."""
    put(ROUTES + policy(REVIEWS + "rules: [{from: [{source: {requestPrincipals: ['*']}}]}]"))
    assert status(bookinfo, GET("/reviews/0", headers={"authorization": "Bearer abc"})) == 403
    put(ROUTES + policy(REVIEWS + "action: DENY\nrules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]"))
    assert status(bookinfo, GET("/reviews/0")) == 403


def test_modes_of_mutual_tls(bookinfo: LocalMesh, put: Put) -> None:
    """Plain calls come in where mutual TLS is optional or off; where it is asked for, the mesh says that it cannot run that."""
    for mode in ("PERMISSIVE", "DISABLE"):
        put(ROUTES + peer(f"mtls: {{mode: {mode}}}", namespace="istio-system"))
        assert status(bookinfo, GET("/reviews/0")) == 200
    with pytest.raises(WrongResources, match=r"spec\.mtls\.mode: STRICT cannot be run by the local mesh"):
        put(ROUTES + peer("mtls: {mode: STRICT}"))
    with pytest.raises(WrongResources, match=r"source\.namespaces: cannot be run by the local mesh"):
        put(ROUTES + policy("rules: [{from: [{source: {namespaces: [default]}}]}]"))
    assert status(bookinfo, GET("/reviews/0")) == 200


SHOP = """
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 9000}, {name: guess, port: 7000}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: main, image: example/echo}]}}
---
apiVersion: v1
kind: Service
metadata: {name: client}
spec: {selector: {app: client}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client}
spec:
  selector: {matchLabels: {app: client}}
  template: {metadata: {labels: {app: client}}, spec: {containers: [{name: main, image: example/echo}]}}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh with a workload that has ports of each kind, and a client."""
    file = tmp_path_factory.mktemp("shop") / "shop.yaml"
    file.write_text(SHOP)
    mesh = LocalMesh(default_topology([Path(file)]))
    try:
        mesh.wait_ready()
        yield mesh
    finally:
        mesh.close()


def put_into(mesh: LocalMesh, text: str) -> None:
    """Puts exactly these resources in force."""
    mesh.put({each.key: each for each in check(read_text(text, "test.yaml"))})


def asked(mesh: LocalMesh) -> dict[int, Any]:
    """What a GET of `/a` from the client brings, by port."""
    return {port: status(mesh, GET(f"http://shop:{port}/a"), "client") for port in (80, 7000, 9000)}


def test_connections(shop: LocalMesh) -> None:
    """Where bytes are carried, a connection is closed: by its port, its caller, and where a rule asks for what requests have."""
    put_into(shop, "")
    assert asked(shop) == {80: 200, 7000: 200, 9000: 200}
    put_into(
        shop, policy("selector: {matchLabels: {app: shop}}\nrules: [{to: [{operation: {ports: ['9000', '7000']}}]}]")
    )
    assert asked(shop) == {80: 403, 7000: 200, 9000: 200}
    address = shop.topology.names["client"][0].address
    put_into(
        shop,
        policy(
            f"action: DENY\nrules: [{{from: [{{source: {{ipBlocks: [{address}]}}}}], to: [{{operation: {{ports: ['9000']}}}}]}}]"
        ),
    )
    assert asked(shop) == {80: 200, 7000: 200, 9000: 0}
    # A path is nothing to a connection: what may come in by it may not, and what it keeps out is all kept out.
    put_into(shop, policy("rules: [{to: [{operation: {paths: [/a]}}]}]"))
    assert asked(shop) == {80: 200, 7000: 200, 9000: 0}
    put_into(shop, policy("action: DENY\nrules: [{to: [{operation: {paths: [/b]}}]}]"))
    assert asked(shop) == {80: 200, 7000: 200, 9000: 0}


def test_a_sidecar_that_says_its_ports(shop: LocalMesh) -> None:
    """A Sidecar's `ingress` hands calls to another port; ports that it leaves out are passed on, and policies are asked there too."""
    sidecar = """---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: it}
spec:
  workloadSelector: {labels: {app: shop}}
  ingress: [{port: {number: 8080, protocol: HTTP, name: a}, defaultEndpoint: '127.0.0.1:7000'}, {port: {number: 7000, protocol: TCP, name: b}, defaultEndpoint: '127.0.0.1:1'}]
"""
    put_into(shop, sidecar)
    assert asked(shop) == {80: 200, 7000: 503, 9000: 200}
    put_into(shop, sidecar + policy("rules: [{to: [{operation: {ports: ['8080']}}]}]"))
    assert asked(shop) == {80: 200, 7000: 503, 9000: 403}
    put_into(shop, "")
    assert asked(shop) == {80: 200, 7000: 200, 9000: 200}
