"""Invented resources: small, valid more often than not, and close to each other, so that they meet."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

Json = dict[str, Any]

NAMESPACES = ("default", "default", "default", "other", "istio-system")
SERVICES = ("reviews", "ratings", "details", "httpbin", "productpage", "tcp-echo", "grpc-echo")
FULL = (
    "reviews.default.svc.cluster.local",
    "ratings.default.svc.cluster.local",
    "tcp-echo.default.svc.cluster.local",
    "reviews.other.svc.cluster.local",
    "istio-egressgateway.istio-system.svc.cluster.local",
    "istio-ingressgateway.istio-system.svc.cluster.local",
)
WILDCARDS = ("*.default.svc.cluster.local", "*.svc.cluster.local", "*.local", "*")
EXTERNAL = ("api.ext.example", "db.ext.example", "www.ext.example", "*.ext.example", "*.example")
PUBLIC = ("a.example.com", "b.example.com", "*.example.com", "*.b.example.com", "*")
LABELS: tuple[Json, ...] = (
    {"app": "productpage"},
    {"app": "reviews"},
    {"app": "reviews", "version": "v2"},
    {"version": "v1"},
    {"app": "nobody"},
)
LOCALITIES = ("r1/z1", "r1/z1/s1", "r1/z2", "r2/z1", "r3", "")
GATEWAYS = ("web", "edge")
SUBSETS = ("v1", "v2", "v3", "v9")


class Invention:
    """Documents of one seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._kinds: dict[str, int] = {}
        self._entered: set[str] = set()

    def documents(self) -> list[Json]:
        """One to six resources, of kinds that a seed prefers."""
        makers: list[Callable[[], Json]] = [
            self._virtual_service,
            self._destination_rule,
            self._gateway,
            self._service_entry,
            self._workload_entry,
            self._sidecar,
            self._peer_authentication,
            self._authorization_policy,
        ]
        weights = [self._random.choice((0, 1, 1, 3)) for _ in makers]
        weights[0] += 2
        count = self._random.choice((1, 2, 2, 3, 3, 4, 5, 6))
        return [make() for make in self._random.choices(makers, weights, k=count)]

    # ------------------------------------------------------------------ choosing

    def _one(self, *values: Any) -> Any:
        return self._random.choice(values)

    def _some(self, values: tuple[Any, ...], most: int = 3) -> list[Any]:
        return self._random.sample(values, self._random.randint(1, min(most, len(values))))

    def _maybe(self, chance: float = 0.3) -> bool:
        return self._random.random() < chance

    def _fields(self, chance: float, **makers: Callable[[], Any]) -> Json:
        return {name: make() for name, make in makers.items() if self._maybe(chance)}

    def _list(self, make: Callable[[], Any], most: int = 3) -> list[Any]:
        return [make() for _ in range(self._random.randint(1, most))]

    def _resource(self, group: str, kind: str, spec: Json, namespace: str | None = None) -> Json:
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        name = f"{self._one('a', 'b', 'c')}-{self._kinds[kind]}"
        return {
            "apiVersion": f"{group}.istio.io/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace or self._one(*NAMESPACES)},
            "spec": spec,
        }

    def _service(self) -> str:
        return str(self._one(*SERVICES, *FULL, *FULL[:2], *EXTERNAL[:3]))

    def _destination(self) -> Json:
        return {
            "host": self._service(),
            **self._fields(0.3, subset=lambda: self._one(*SUBSETS), port=lambda: {"number": self._port()}),
        }

    def _port(self) -> int:
        return int(self._one(80, 443, 9080, 8000, 9000, 7070, 5432))

    def _string_match(self) -> Json:
        return dict(self._one({"exact": "one"}, {"prefix": "pre"}, {"regex": "r.*"}))

    # ------------------------------------------------------------------ VirtualService

    def _virtual_service(self) -> Json:
        hosts = self._some(
            self._one((*SERVICES, *FULL), (*SERVICES, *FULL), (*WILDCARDS, *FULL), EXTERNAL, PUBLIC, PUBLIC), 2
        )
        spec: Json = {"hosts": hosts}
        if self._maybe(0.5) or hosts[0] in PUBLIC:
            spec["gateways"] = self._some((*GATEWAYS, "mesh", "istio-system/web"), 2)
        if self._maybe(0.2):
            spec["exportTo"] = self._one(["."], ["*"], ["other"], ["default", "istio-system"])
        if self._maybe(0.75):
            spec["http"] = self._list(self._http_rule, 4)
        if self._maybe(0.25):
            spec["tcp"] = self._list(self._tcp_rule, 2)
        if self._maybe(0.25):
            spec["tls"] = self._list(lambda: self._tls_rule(hosts), 2)
        return self._resource("networking", "VirtualService", spec)

    def _http_rule(self) -> Json:
        rule: Json = {}
        if self._maybe(0.75):
            rule["match"] = self._list(self._http_match, 3)
        kind = self._random.random()
        if kind < 0.08:
            rule["redirect"] = self._redirect()
        elif kind < 0.14:
            rule["directResponse"] = {
                "status": self._one(200, 404, 503),
                **self._fields(0.5, body=lambda: {"string": "said"}),
            }
        elif kind < 0.2:
            rule["delegate"] = {
                "name": self._one("a-1", "b-1", "a-2", "c-2"),
                **self._fields(0.3, namespace=lambda: "other"),
            }
        else:
            rule["route"] = self._weighted(self._http_destination)
            rule |= self._fields(0.15, fault=self._fault, rewrite=self._rewrite, mirror=self._destination)
        rule |= self._fields(
            0.15,
            timeout=lambda: self._one("1s", "0.5s", "15s"),
            retries=self._retries,
            corsPolicy=self._cors,
            headers=self._headers,
            name=lambda: self._one("n1", "n2"),
        )
        return rule

    def _weighted(self, make: Callable[[], Json]) -> list[Json]:
        found = self._list(make, 3)
        if len(found) > 1:
            for each in found:
                each["weight"] = self._one(1, 10, 50, 99, 0)
            found[0]["weight"] = 20
        return found

    def _http_destination(self) -> Json:
        return {"destination": self._destination(), **self._fields(0.15, headers=self._headers)}

    def _http_match(self) -> Json:
        return self._fields(
            0.22,
            uri=lambda: self._one(
                {"exact": "/x"}, {"prefix": "/p"}, {"prefix": "/"}, {"regex": "/r.*"}, {"regex": ".*"}
            ),
            headers=lambda: {self._one("x-a", "x-b", "cookie"): self._one(self._string_match(), {})},
            withoutHeaders=lambda: {self._one("x-a", "x-c"): self._one(self._string_match(), {})},
            queryParams=lambda: {"q": self._one(self._string_match(), {})},
            method=lambda: self._one({"exact": "GET"}, {"regex": "GET|PUT"}),
            authority=self._string_match,
            scheme=lambda: {"exact": "https"},
            port=self._port,
            sourceLabels=lambda: self._one(*LABELS),
            sourceNamespace=lambda: self._one("default", "other"),
            gateways=lambda: self._some((*GATEWAYS, "mesh"), 2),
            ignoreUriCase=lambda: True,
            name=lambda: "m",
        )

    def _redirect(self) -> Json:
        made = self._fields(
            0.5,
            uri=lambda: self._one("/to", "%PREFIX()%/x"),
            authority=lambda: "to.example.com",
            scheme=lambda: self._one("https", "http"),
            redirectCode=lambda: self._one(302, 303, 307, 308),
        )
        if self._maybe():
            made |= self._one(
                {"port": 8443},
                {"port": 443},
                {"derivePort": "FROM_REQUEST_PORT"},
                {"derivePort": "FROM_PROTOCOL_DEFAULT"},
            )
        return made or {"uri": "/only"}

    def _rewrite(self) -> Json:
        made = self._fields(0.5, authority=lambda: "re.example.com")
        made |= self._one({"uri": "/"}, {"uri": "/new"}, {"uriRegexRewrite": {"match": "/(.*)", "rewrite": "/x/\\1"}})
        return made

    def _fault(self) -> Json:
        percentage = {"value": self._one(0, 0.5, 10, 33.3333, 100)}
        abort = {"httpStatus": self._one(400, 503, 555)} if self._maybe(0.7) else {"grpcStatus": "UNAVAILABLE"}
        delay = {"fixedDelay": self._one("1s", "0.25s"), **self._fields(0.7, percentage=lambda: percentage)}
        made = self._fields(0.5, delay=lambda: delay)
        if not made or self._maybe():
            made["abort"] = {**abort, **self._fields(0.7, percentage=lambda: percentage)}
        return made

    def _retries(self) -> Json:
        if self._maybe(0.2):
            return {"attempts": 0}
        return {
            "attempts": self._one(1, 3),
            **self._fields(
                0.35,
                perTryTimeout=lambda: "0.3s",
                retryOn=lambda: self._one("5xx", "gateway-error,503", "connect-failure,429"),
                retryRemoteLocalities=lambda: self._one(True, False),
                retryIgnorePreviousHosts=lambda: self._one(True, False),
                backoff=lambda: "0.1s",
            ),
        }

    def _cors(self) -> Json:
        return {
            "allowOrigins": self._list(
                lambda: self._one({"exact": "https://o"}, {"prefix": "https://"}, {"regex": ".*"}), 2
            ),
            **self._fields(
                0.4,
                allowMethods=lambda: ["GET", "PUT"],
                allowHeaders=lambda: ["x-h"],
                exposeHeaders=lambda: ["x-e"],
                maxAge=lambda: "90s",
                allowCredentials=lambda: self._one(True, False),
                unmatchedPreflights=lambda: self._one("FORWARD", "IGNORE"),
            ),
        }

    def _headers(self) -> Json:
        def operations() -> Json:
            return self._fields(0.6, set=lambda: {"x-s": "1"}, add=lambda: {"x-p": "2"}, remove=lambda: ["x-r"])

        made = self._fields(0.6, request=operations, response=operations)
        if self._maybe(0.2):
            made.setdefault("request", {}).setdefault("set", {})["Host"] = "set.example.com"
        return made

    def _tcp_rule(self) -> Json:
        return {
            **self._fields(0.6, match=lambda: self._list(self._tcp_match, 2)),
            "route": self._weighted(lambda: {"destination": self._destination()}),
        }

    def _tcp_match(self) -> Json:
        return self._fields(
            0.3,
            port=lambda: self._one(self._port(), 31400),
            destinationSubnets=lambda: self._some(("10.96.0.0/16", "10.96.1.6", "203.0.113.1/32"), 2),
            sourceLabels=lambda: self._one(*LABELS),
            sourceNamespace=lambda: self._one("default", "other"),
            gateways=lambda: self._some((*GATEWAYS, "mesh"), 2),
        )

    def _tls_rule(self, hosts: list[str]) -> Json:
        def match() -> Json:
            names = [host.replace("*", self._one("*", "x")) for host in self._some(tuple(hosts), 2)]
            return {
                "sniHosts": names,
                **self._fields(
                    0.3,
                    port=lambda: self._one(443, self._port()),
                    sourceLabels=lambda: self._one(*LABELS),
                    gateways=lambda: self._some((*GATEWAYS, "mesh"), 2),
                ),
            }

        return {"match": self._list(match, 2), "route": self._weighted(lambda: {"destination": self._destination()})}

    # ------------------------------------------------------------------ DestinationRule

    def _destination_rule(self) -> Json:
        spec: Json = {"host": self._one(*SERVICES, *FULL, *WILDCARDS[:2], *EXTERNAL, "reviews", "reviews")}
        if self._maybe(0.7):
            spec["trafficPolicy"] = self._policy(True)
        if self._maybe(0.6):
            names = self._some(SUBSETS)
            spec["subsets"] = [self._subset(name) for name in names]
        spec |= self._fields(
            0.15,
            exportTo=lambda: self._one(["."], ["*"], ["other"], ["default"]),
            workloadSelector=lambda: {"matchLabels": self._one(*LABELS)},
        )
        return self._resource("networking", "DestinationRule", spec)

    def _subset(self, name: str) -> Json:
        return {
            "name": name,
            **self._fields(0.85, labels=lambda: {"version": name}),
            **self._fields(0.35, trafficPolicy=lambda: self._policy(True)),
        }

    def _policy(self, with_ports: bool) -> Json:
        made = self._fields(
            0.35,
            loadBalancer=self._load_balancer,
            connectionPool=self._pool,
            outlierDetection=self._outlier,
            tls=self._client_tls,
        )
        if with_ports and self._maybe(0.25):
            ports = self._some((80, 9080, 443, 9000, 8000), 2)
            made["portLevelSettings"] = [{"port": {"number": port}, **self._policy(False)} for port in ports]
        if with_ports and self._maybe(0.06):
            made["retryBudget"] = self._fields(0.6, percent=lambda: 25, minRetryConcurrency=lambda: 4)
        if with_ports and self._maybe(0.06):
            made["proxyProtocol"] = {"version": self._one("V1", "V2")}
        return made or {"loadBalancer": {"simple": "RANDOM"}}

    def _load_balancer(self) -> Json:
        if self._maybe(0.3):
            return {"consistentHash": self._hash()}
        made = self._fields(
            0.45,
            simple=lambda: self._one("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "PASSTHROUGH"),
            localityLbSetting=self._locality,
            warmup=lambda: {"duration": "30s", **self._fields(0.4, minimumPercent=lambda: 20, aggression=lambda: 1.5)},
        )
        return made or {"simple": "ROUND_ROBIN"}

    def _hash(self) -> Json:
        made: Json = dict(
            self._one(
                {"httpHeaderName": "x-user"},
                {"httpCookie": {"name": "session", "ttl": "60s"}},
                {"httpCookie": {"name": "session"}},
                {"useSourceIp": True},
                {"httpQueryParameterName": "q"},
            )
        )
        if self._maybe():
            made |= self._one(
                {"minimumRingSize": 512}, {"ringHash": {"minimumRingSize": 2048}}, {"maglev": {"tableSize": 101}}
            )
        return made

    def _locality(self) -> Json:
        return dict(
            self._one(
                {"enabled": False},
                {"enabled": True},
                {"distribute": [{"from": "r1/*", "to": {"r1/*": 60, "r2/*": 40}}]},
                {"distribute": [{"from": "r1/z1/*", "to": {"r1/z1/*": 70, "r1/z2/*": 30}}]},
                {"failover": [{"from": "r1", "to": "r3"}]},
                {"failoverPriority": ["version", "topology.kubernetes.io/region"]},
                {"failoverPriority": ["version=v2"]},
            )
        )

    def _pool(self) -> Json:
        made = self._fields(
            0.6,
            tcp=lambda: self._fields(
                0.4,
                maxConnections=lambda: self._one(0, 7),
                connectTimeout=lambda: "3s",
                tcpKeepalive=lambda: self._fields(0.5, probes=lambda: 3, time=lambda: "60s", interval=lambda: "5s"),
                maxConnectionDuration=lambda: "120s",
                idleTimeout=lambda: "40s",
            ),
            http=lambda: self._fields(
                0.3,
                http1MaxPendingRequests=lambda: self._one(0, 8),
                http2MaxRequests=lambda: self._one(0, 9),
                maxRequestsPerConnection=lambda: self._one(0, 10),
                maxRetries=lambda: self._one(0, 11),
                idleTimeout=lambda: "12s",
                h2UpgradePolicy=lambda: self._one("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"),
                useClientProtocol=lambda: self._one(True, False),
                maxConcurrentStreams=lambda: 13,
            ),
        )
        return {name: value or {"idleTimeout": "44s"} for name, value in made.items()} or {"tcp": {"maxConnections": 1}}

    def _outlier(self) -> Json:
        return self._fields(
            0.3,
            consecutive5xxErrors=lambda: self._one(0, 4),
            consecutiveGatewayErrors=lambda: self._one(0, 5),
            interval=lambda: "5s",
            baseEjectionTime=lambda: "7s",
            maxEjectionPercent=lambda: self._one(0, 60),
            minHealthPercent=lambda: self._one(0, 30),
            splitExternalLocalOriginErrors=lambda: True,
        )

    def _client_tls(self) -> Json:
        mode = self._one("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL", "ISTIO_MUTUAL")
        if mode in ("DISABLE", "ISTIO_MUTUAL"):
            return {"mode": mode}
        made = {"mode": mode, **self._fields(0.4, sni=lambda: "sni.example", subjectAltNames=lambda: ["san.example"])}
        if mode == "MUTUAL":
            made |= self._one({"credentialName": "pair"}, {"clientCertificate": "/c.pem", "privateKey": "/k.pem"})
        if "credentialName" not in made and self._maybe():
            made |= self._one({"caCertificates": "/ca.pem"}, {"caCertificates": "system"}, {"insecureSkipVerify": True})
        return made

    # ------------------------------------------------------------------ Gateway

    def _gateway(self) -> Json:
        selector = self._one(
            {"istio": "ingressgateway"},
            {"istio": "ingressgateway"},
            {"istio": "egressgateway"},
            {"app": "istio-ingressgateway"},
        )
        made = self._resource("networking", "Gateway", {"selector": selector, "servers": self._servers()})
        made["metadata"]["name"] = GATEWAYS[(self._kinds["Gateway"] - 1) % len(GATEWAYS)]
        return made

    def _servers(self) -> list[Json]:
        made = self._list(self._server, 3)
        for number, server in enumerate(made):
            server["port"]["name"] = f"p{number}"
        return made

    def _server(self) -> Json:
        number, protocol = self._one(
            (80, "HTTP"),
            (80, "HTTP"),
            (8080, "HTTP2"),
            (443, "HTTPS"),
            (443, "HTTPS"),
            (443, "TLS"),
            (31400, "TCP"),
            (9443, "TLS"),
            (80, "GRPC"),
        )
        names = self._some(self._one(PUBLIC, PUBLIC, EXTERNAL[:3], FULL[:2]), 2)
        # `*/*` with another such host behind it ends istiod (sanitizeServerHostNamespace in pilot/pkg/model/gateway.go).
        hosts = [
            f"{self._one('*/', './', 'default/', 'other/')}{name}" if name != "*" and self._maybe(0.15) else name
            for name in names
        ]
        made: Json = {"port": {"number": number, "protocol": protocol}, "hosts": hosts}
        if protocol in ("HTTPS", "TLS"):
            made["tls"] = self._server_tls()
        elif protocol == "HTTP" and self._maybe(0.15):
            made["tls"] = {"httpsRedirect": True}
        return made

    def _server_tls(self) -> Json:
        mode = self._one(
            "SIMPLE",
            "SIMPLE",
            "MUTUAL",
            "PASSTHROUGH",
            "PASSTHROUGH",
            "ISTIO_MUTUAL",
            "AUTO_PASSTHROUGH",
            "OPTIONAL_MUTUAL",
        )
        if mode in ("PASSTHROUGH", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL"):
            return {"mode": mode}
        made: Json = {"mode": mode}
        if self._maybe():
            made |= {"serverCertificate": "/s.pem", "privateKey": "/k.pem"}
            if mode != "SIMPLE":
                made["caCertificates"] = "/ca.pem"
        else:
            made["credentialName"] = self._one("cert-a", "cert-b")
        return made | self._fields(0.15, minProtocolVersion=lambda: "TLSV1_3", subjectAltNames=lambda: ["san.example"])

    # ------------------------------------------------------------------ ServiceEntry, WorkloadEntry

    def _service_entry(self) -> Json:
        resolution = self._one("STATIC", "STATIC", "DNS", "DNS", "NONE", "DNS_ROUND_ROBIN")
        # Which of two ServiceEntries for one host istiod takes hangs on chance, when both are of the same second.
        left = tuple(
            host for host in EXTERNAL if host not in self._entered and (resolution == "NONE" or host[0] != "*")
        )
        hosts = self._some(left or (f"{len(self._entered)}.ext.example",), 2)
        self._entered.update(hosts)
        ports = self._some(
            (
                (80, "HTTP"),
                (443, "TLS"),
                (443, "HTTPS"),
                (9080, "HTTP"),
                (7070, "GRPC"),
                (8082, "HTTP2"),
                (5432, "TCP"),
                (9000, "TCP"),
            ),
            2,
        )
        if len(hosts) > 1:
            ports = [each for each in ports if each[1] != "TCP"] or [(80, "HTTP")]
        spec: Json = {
            "hosts": hosts,
            "resolution": resolution,
            "ports": [
                {"number": number, "name": f"{protocol.lower()}-{at}", "protocol": protocol}
                for at, (number, protocol) in enumerate(ports)
            ],
            **self._fields(0.7, location=lambda: self._one("MESH_EXTERNAL", "MESH_EXTERNAL", "MESH_INTERNAL")),
            **self._fields(0.4, addresses=lambda: [self._one("203.0.113.1", "203.0.113.2", "198.51.100.0/24")]),
            **self._fields(
                0.15, exportTo=lambda: self._one(["."], ["*"], ["other"]), subjectAltNames=lambda: ["se.example"]
            ),
        }
        if self._maybe(0.2):
            spec["ports"][0]["targetPort"] = self._one(443, 8443)
        if resolution == "STATIC" and self._maybe(0.3):
            spec["workloadSelector"] = {
                "labels": self._one({"app": "machines"}, {"app": "reviews"}, {"app": "ratings", "version": "v1"})
            }
        elif resolution in ("STATIC", "DNS") and (resolution == "STATIC" or self._maybe(0.5)):
            name = "192.0.2.{}" if resolution == "STATIC" else "e{}.ext.example"
            spec["endpoints"] = [self._endpoint(name.format(number)) for number in range(1, self._random.randint(2, 4))]
        elif resolution == "DNS_ROUND_ROBIN" and self._maybe():
            spec["endpoints"] = [self._endpoint("e1.ext.example")]
        return self._resource("networking", "ServiceEntry", spec)

    def _endpoint(self, address: str) -> Json:
        return {
            "address": address,
            **self._fields(
                0.25,
                weight=lambda: self._one(1, 5),
                locality=lambda: self._one(*LOCALITIES),
                labels=lambda: {"version": self._one("v1", "v2")},
            ),
        }

    def _workload_entry(self) -> Json:
        number = self._kinds.get("WorkloadEntry", 0) + 1
        labels = self._one(
            {"app": "machines"},
            {"app": "machines", "version": "v1"},
            {"app": "reviews"},
            {"app": "ratings", "version": "v1"},
        )
        spec = {**self._endpoint(f"192.0.2.{50 + number}"), "labels": labels}
        spec |= self._fields(0.2, serviceAccount=lambda: "vm", ports=lambda: {"http": 8090})
        return self._resource("networking", "WorkloadEntry", spec, "default")

    # ------------------------------------------------------------------ Sidecar

    def _sidecar(self) -> Json:
        spec: Json = self._fields(
            0.35,
            outboundTrafficPolicy=lambda: {"mode": self._one("REGISTRY_ONLY", "ALLOW_ANY")},
            ingress=self._ingress,
        )
        if self._maybe(0.6):
            spec["workloadSelector"] = {"labels": self._one(*LABELS[:3])}
        if self._maybe(0.8) or not spec:
            spec["egress"] = self._egress()
        namespace = "default" if "workloadSelector" in spec or self._maybe(0.7) else "istio-system"
        return self._resource("networking", "Sidecar", spec, namespace)

    def _egress(self) -> list[Json]:
        made = []
        for number, protocol in self._random.sample(
            ((9080, "HTTP"), (80, "HTTP"), (9000, "TCP"), (7777, "HTTP"), (7778, "TCP")), self._one(0, 0, 1, 2)
        ):
            made.append(
                {
                    "port": {"number": number, "protocol": protocol, "name": f"{protocol.lower()}-{number}"},
                    "hosts": self._scope(),
                }
            )
            if self._maybe(0.2):
                made[-1]["bind"] = "127.0.0.1"
        if not made or self._maybe(0.6):
            made.append({"hosts": self._scope()})
        return made

    def _scope(self) -> list[str]:
        return self._some(
            (
                *("./*", "*/*", "istio-system/*", "other/*", "~/*", "default/reviews.default.svc.cluster.local"),
                *(
                    "./tcp-echo.default.svc.cluster.local",
                    "*/*.default.svc.cluster.local",
                    "*/ratings.default.svc.cluster.local",
                ),
                *("./*.ext.example", "*/api.ext.example", "other/reviews.other.svc.cluster.local"),
            ),
            3,
        )

    def _ingress(self) -> list[Json]:
        chosen = self._random.sample(((9080, "HTTP"), (9090, "TCP"), (7070, "GRPC"), (9091, "HTTP2")), self._one(1, 2))
        return [
            {
                "port": {"number": number, "protocol": protocol, "name": f"{protocol.lower()}-{number}"},
                **({} if self._maybe(0.2) else {"defaultEndpoint": self._default_endpoint(number)}),
            }
            for number, protocol in chosen
        ]

    def _default_endpoint(self, number: int) -> str:
        return str(self._one(f"127.0.0.1:{number}", f"0.0.0.0:{number}", "127.0.0.1:8081"))

    # ------------------------------------------------------------------ security

    def _peer_authentication(self) -> Json:
        spec: Json = self._fields(0.7, mtls=lambda: {"mode": self._one("STRICT", "PERMISSIVE", "DISABLE", "UNSET")})
        if self._maybe(0.6):
            spec["selector"] = {"matchLabels": self._one(*LABELS)}
            spec |= self._fields(
                0.4,
                portLevelMtls=lambda: {
                    str(self._one(9080, 9090, 7777)): {"mode": self._one("STRICT", "DISABLE", "PERMISSIVE")}
                },
            )
        return self._resource("security", "PeerAuthentication", spec)

    def _authorization_policy(self) -> Json:
        spec: Json = {
            "action": self._one("ALLOW", "ALLOW", "DENY", "AUDIT"),
            "rules": self._list(self._authorization_rule, 2),
        }
        if self._maybe(0.7):
            spec["selector"] = {"matchLabels": self._one(*LABELS, {"istio": "ingressgateway"})}
        return self._resource("security", "AuthorizationPolicy", spec)

    def _authorization_rule(self) -> Json:
        return self._fields(
            0.5,
            **{
                "from": lambda: self._list(lambda: {"source": self._source()}, 2),
                "to": lambda: self._list(lambda: {"operation": self._operation()}, 2),
                "when": lambda: self._list(self._condition, 2),
            },
        )

    def _source(self) -> Json:
        made = self._fields(
            0.25,
            principals=lambda: self._some(("*", "cluster.local/ns/default/sa/x", "*/sa/y", "cluster.local/*")),
            notPrincipals=lambda: ["cluster.local/ns/bad/sa/z"],
            namespaces=lambda: self._some(("default", "pre*", "*suf")),
            notNamespaces=lambda: ["bad"],
            ipBlocks=lambda: self._some(("10.0.0.0/8", "192.0.2.1")),
            notIpBlocks=lambda: ["10.1.0.0/16"],
            remoteIpBlocks=lambda: ["198.51.100.0/24"],
            requestPrincipals=lambda: self._some(("*", "iss/*", "iss/sub")),
        )
        return made or {"namespaces": ["default"]}

    def _operation(self) -> Json:
        made = self._fields(
            0.3,
            paths=lambda: self._some(("/exact", "/pre*", "*suf", "*", "/t/{*}/x", "/u/{**}")),
            notPaths=lambda: ["/not*"],
            methods=lambda: self._some(("GET", "P*", "*")),
            notMethods=lambda: ["DELETE"],
            hosts=lambda: self._some(("h.example.com", "*.example.com", "h*")),
            notHosts=lambda: ["n.example.com"],
            ports=lambda: self._some(("9080", "80", "9090")),
            notPorts=lambda: ["81"],
        )
        return made or {"methods": ["GET"]}

    def _condition(self) -> Json:
        key, values = self._one(
            ("request.headers[x-h]", ["one", "pre*"]),
            ("source.ip", ["10.0.0.0/8"]),
            ("remote.ip", ["192.0.2.1"]),
            ("source.namespace", ["default", "*x"]),
            ("source.principal", ["*/sa/y"]),
            ("destination.ip", ["10.1.0.5"]),
            ("destination.port", ["9080"]),
            ("connection.sni", ["*.example.com"]),
            ("request.auth.claims[iss]", ["a*"]),
            ("request.auth.principal", ["iss/sub"]),
        )
        return {"key": key, self._one("values", "values", "notValues"): values}
