"""Route configurations in protobuf's binary form, against what real Envoy reads from them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meshtest.meshes.local import mesh as local_mesh
from meshtest.meshes.local import wire
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.resources.manifest import check, read_text

Json = dict[str, Any]

# Each field of a route that the translation can make.
RULES = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"], tls: {httpsRedirect: true}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, path: /, ttl: 1.5s, attributes: [{name: SameSite, value: Lax}]}}}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}
  - {name: v3, labels: {version: v3}, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings}
spec: {host: ratings, trafficPolicy: {loadBalancer: {consistentHash: {httpQueryParameterName: q}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all}
spec:
  hosts: ["*.example.com"]
  gateways: [edge]
  http:
  - name: matches
    match:
    - name: one
      uri: {exact: /a}
      ignoreUriCase: true
      statPrefix: s
      method: {regex: "GET|PUT"}
      headers: {x-a: {exact: "1"}, x-b: {prefix: b}, x-c: {}}
      withoutHeaders: {x-d: {regex: "d+"}, x-e: {}}
      queryParams: {p: {exact: "ü"}, q: {regex: ".*"}}
    - {uri: {regex: "/[a-z]+/.*"}, authority: {prefix: shop}, scheme: {exact: http}}
    route:
    - {destination: {host: reviews, subset: v1}, weight: 70, headers: {request: {set: {x-v: "1"}, add: {x-w: "2"}, remove: [x-x]}}}
    - {destination: {host: reviews, subset: v2}, weight: 30, headers: {response: {set: {x-v: "1"}, remove: [x-x]}, request: {set: {host: other}}}}
    timeout: 1.25s
    retries: {attempts: 300, perTryTimeout: 20ms, retryOn: "5xx,503,404", retryRemoteLocalities: true, backoff: 1s}
    mirrors: [{destination: {host: ratings}, percentage: {value: 12.5}}, {destination: {host: details}}]
    headers: {response: {add: {x-r: a}}}
    corsPolicy:
      {allowOrigins: [{exact: "http://a"}, {prefix: "http://b"}, {regex: ".*c"}], allowMethods: [GET, POST], allowHeaders: [x-a, x-b], exposeHeaders: [x-c], maxAge: 24h, allowCredentials: true}
    fault: {delay: {fixedDelay: 0.1s, percentage: {value: 0.57}}, abort: {httpStatus: 555, percentage: {value: 100}}}
  - match: [{uri: {prefix: /fault}}]
    fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 1}}, delay: {fixedDelay: 7s, percent: 5}}
    route: [{destination: {host: ratings}}]
    rewrite: {uri: /x, authority: h}
  - {match: [{uri: {prefix: /rewrite}}], rewrite: {uriRegexRewrite: {match: "^/a(.*)", rewrite: "/b\\\\1"}}, route: [{destination: {host: reviews, subset: v3}}]}
  - {match: [{uri: {prefix: /r1}}], redirect: {uri: /n, authority: other.example.com, port: 8443, scheme: https, redirectCode: 308}}
  - {match: [{uri: {prefix: /r2}}], redirect: {prefixRewrite: /n}}
  - {match: [{uri: {prefix: /d1}}], directResponse: {status: 418, body: {string: "short and stout"}}}
  - {match: [{uri: {prefix: /d2}}], directResponse: {status: 200, body: {bytes: "AAEC/w=="}}}
  - retries: {attempts: 0}
    route: [{destination: {host: details}}]
"""


def dumped(mesh: LocalMesh) -> Json:
    """The routes that the ingress gateway says it has."""
    found: Json = json.loads(mesh._gateway().admin("/config_dump?resource=dynamic_route_configs"))
    configs = [each["route_config"] for each in found["configs"]]
    (config,) = [each for each in configs if each["name"] == "http.8080"]
    return dict(config)


def test_binary_routes_are_the_same(bookinfo: LocalMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Envoy has the same routes, read from JSON or from the binary form; small ones come as JSON."""
    resources = {each.key: each for each in check(read_text(RULES, "rules.yaml"))}
    bookinfo.put(resources)
    from_json = dumped(bookinfo)
    assert not bookinfo._large
    bookinfo.put({})
    monkeypatch.setattr(local_mesh, "is_large", lambda config: True)
    bookinfo.put(resources)
    assert "http.8080" in bookinfo._large
    assert dumped(bookinfo) == from_json
    assert len(from_json["virtual_hosts"][0]["routes"]) == 9


def test_what_is_not_listed_is_noticed() -> None:
    """A field that the list does not have is never left out in silence."""
    with pytest.raises(KeyError):
        wire.message("Route", {"tracing": {}})
