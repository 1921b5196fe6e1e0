"""Rules and requests at random, for a small mesh of echoing workloads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: alpha}
spec: {selector: {app: alpha}, ports: [{name: http, port: 8000}]}
---
apiVersion: v1
kind: Service
metadata: {name: beta}
spec: {selector: {app: beta}, ports: [{name: http, port: 8000}, {name: http-more, port: 80, targetPort: 8000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: alpha-v1}
spec: {selector: {matchLabels: {app: alpha, version: v1}}, template: {metadata: {labels: {app: alpha, version: v1}}, spec: {containers: [{name: a}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: alpha-v2}
spec: {selector: {matchLabels: {app: alpha, version: v2}}, template: {metadata: {labels: {app: alpha, version: v2}}, spec: {containers: [{name: a}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: beta}
spec: {selector: {matchLabels: {app: beta}}, template: {metadata: {labels: {app: beta}}, spec: {containers: [{name: b}]}}}
"""
CALLER = "beta"

# What stands here several times is met more often: rules and requests must meet.
HOSTS = [
    *(["*"], ["a.example.com"], ["a.example.com", "b.example.com"], ["*.example.com"], ["*.com", "zzz.test"]),
    *(["alpha"], ["alpha"], ["beta"], ["alpha", "beta"], ["alpha.default.svc.cluster.local"]),
    *(["*.default.svc.cluster.local"], ["a.example.com", "alpha"], ["*"]),
]
OUTSIDE = [
    *("a.example.com", "a.example.com", "a.example.com", "A.Example.com:80", "b.example.com", "b.example.com"),
    *("c.example.com", "example.com", "x.com", "zzz.test", "a.example.com.", "alpha"),
]
INSIDE = [
    *("alpha:8000", "alpha:8000", "alpha:8000", "ALPHA.default:8000", "alpha.default.svc.cluster.local:8000"),
    *("beta:8000", "beta", "beta.default.svc:8000", "a.example.com", "b.example.com:8000", "alpha"),
]
TEXTS = st.sampled_from(["", "a", "b", "ab", "A", "a b", "a,b", "1"])
PATHS = [
    *(
        "/",
        "/a",
        "/A",
        "/ab",
        "/a/",
        "/a/b",
        "/b",
        "/a//b",
        "/aa",
        "/%61",
        "/a%2Fb",
        "/a/../b",
        "/b/./a",
        "/a/..;x=1/b",
    ),
    *("/a/%2e%2e/b", "/a;x", "/A/b", "/..", "/%41b", "/a{b}", "/é", "/a%00", "/a\\b", "//a", "/a.b", "/a-b_c~1"),
]
REGEXES = [
    *(
        "/a.*",
        "/[ab]",
        "/a(/.*)?",
        "(?i)/A",
        "/[[:alpha:]]+",
        r"/\pL",
        r"/a\b.*",
        "/(a|b)*",
        ".*",
        "/|/a",
        r"/\w+",
        "[^b]+",
    ),
    *("(?s).*b", "/a{1,2}", r"/a\.b", r"/\Qa.b\E", "^/a$", r"\A/b\z", "(?U)/a+?", "/[^/]*/[^/]*"),
]
VALUES = ["a|b", "a.*", "[ab]+", "(?i)A", "", "[^a]", r"\d", "a b", ".+"]


def texts(words: Any) -> st.SearchStrategy[Json]:
    """A StringMatch for texts of this kind; an empty one asks for presence."""
    return st.one_of(
        st.builds(lambda word: {"exact": word}, words),
        st.builds(lambda word: {"prefix": word}, words.filter(bool)),
        st.builds(lambda regex: {"regex": regex}, st.sampled_from([*filter(None, VALUES)])),
        st.just({}),
    )


URIS = st.one_of(
    st.sampled_from([{"exact": path} for path in PATHS if path.isascii()]),
    st.sampled_from([{"prefix": path} for path in PATHS if path.isascii()]),
    st.sampled_from([{"regex": regex} for regex in REGEXES]),
)
NAMES = st.sampled_from(["x-a", "X-B", "end-user", "via"])
NAMED_TEXTS = st.dictionaries(NAMES, texts(TEXTS), min_size=1, max_size=2)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "uri": URIS,
    "ignoreUriCase": st.just(True),
    "method": st.sampled_from([{"exact": "GET"}, {"regex": "P.*"}, {"prefix": "P"}]),
    "authority": st.sampled_from([{"prefix": "a"}, {"exact": "alpha:8000"}, {"regex": ".*com"}]),
    "scheme": st.sampled_from([{"exact": "http"}, {"exact": "https"}]),
    "headers": NAMED_TEXTS,
    "withoutHeaders": NAMED_TEXTS,
    "queryParams": st.dictionaries(st.sampled_from(["q", "Q"]), texts(TEXTS), min_size=1, max_size=1),
    "port": st.sampled_from([80, 8000]),
    "gateways": st.sampled_from([["edge"], ["mesh"], ["edge", "mesh"]]),
    "sourceLabels": st.sampled_from([{"app": CALLER}, {"app": "alpha"}]),
    "sourceNamespace": st.sampled_from(["default", "other"]),
}
CHOICES = [
    ["uri"],
    ["uri", "ignoreUriCase"],
    ["uri", "headers"],
    *([each] for each in FIELDS),
    ["method", "withoutHeaders"],
]
# Each says one or two things: with more nothing would ever match.
MATCHES = st.sampled_from(CHOICES).flatmap(lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in names}))
DESTINATIONS = st.sampled_from(
    [
        *(
            {"host": "alpha", "subset": "v1"},
            {"host": "alpha", "subset": "v2"},
            {"host": "beta", "port": {"number": 8000}},
        ),
        *({"host": "alpha"}, {"host": "alpha", "subset": "v3"}, {"host": "nobody", "port": {"number": 80}}),
    ]
)
ROUTES = st.one_of(
    st.builds(lambda target: [{"destination": target}], DESTINATIONS),
    st.builds(
        lambda one, two: [{"destination": one, "weight": 3}, {"destination": two, "weight": 1}],
        DESTINATIONS,
        DESTINATIONS,
    ),
)
REWRITES = st.sampled_from(
    [
        *({"uri": "/new"}, {"authority": "other.example.com"}, {"uri": "/", "authority": "x"}),
        *(
            {"uriRegexRewrite": {"match": regex, "rewrite": rewrite}}
            for regex, rewrite in (("/a(.*)", r"/c\1"), ("^/([^/]*)", r"/\1/\1"), ("b*", "-"), ("(?i)A", r"\\0"))
        ),
    ]
)
REDIRECTS = st.sampled_from(
    [
        *({"uri": "/to"}, {"uri": "/to?x=1"}, {"authority": "b.example.com"}, {"scheme": "https", "redirectCode": 302}),
        *(
            {"port": 8443, "redirectCode": 307},
            {"derivePort": "FROM_REQUEST_PORT"},
        ),
        *(
            {"authority": "y.z:80", "redirectCode": 303},
            {"scheme": "https", "authority": "b.example.com", "derivePort": "FROM_PROTOCOL_DEFAULT"},
        ),
    ]
)
FORWARDING = st.fixed_dictionaries(
    {"route": ROUTES},
    optional={
        "rewrite": REWRITES,
        "fault": st.just({"abort": {"httpStatus": 555, "percentage": {"value": 100}}}),
        "corsPolicy": st.fixed_dictionaries(
            {"allowOrigins": st.sampled_from([[{"exact": "http://x"}], [{"regex": ".*y"}]])},
            optional={"unmatchedPreflights": st.sampled_from(["FORWARD", "IGNORE"])},
        ),
    },
)
ACTIONS = st.one_of(
    FORWARDING.map(lambda rule: {"route": rule["route"]}),
    FORWARDING,
    st.builds(lambda redirect: {"redirect": redirect}, REDIRECTS),
    st.builds(
        lambda status: {"directResponse": {"status": status, "body": {"string": "said"}}},
        st.sampled_from([200, 418, 503]),
    ),
)
RULES = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 2, 0]).flatmap(lambda n: st.lists(MATCHES, min_size=n, max_size=n)), ACTIONS
    ),
    min_size=2,
    max_size=7,
)


def _virtual_service(number: int, hosts: list[str], gateways: list[str], rules: list[tuple[list[Json], Json]]) -> Json:
    """Each of its rules tells itself in a response header."""
    http = []
    for index, (match, action) in enumerate(rules):
        tell = {"response": {"set": {"x-rule": f"vs{number}/{index}"}}, "request": {"set": {"x-set": str(index)}}}
        http.append({**({"match": match} if match else {}), **action, "headers": tell})
    return _resource(
        "VirtualService", f"vs{number}", {"hosts": hosts, "http": http, **({"gateways": gateways} if gateways else {})}
    )


def _resource(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


SUBSETS = _resource(
    "DestinationRule",
    "alpha",
    {"host": "alpha", "subsets": [{"name": name, "labels": {"version": name}} for name in ("v1", "v2", "v3")]},
)
SERVERS = st.sampled_from(
    [["*"], ["*.example.com"], ["a.example.com", "*.com"], ["./a.example.com", "other/b.example.com", "zzz.test"]]
)


def _gateway(hosts: list[str], redirects: bool) -> Json:
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": hosts}
    servers = [{**server, "tls": {"httpsRedirect": True}} if redirects else server]
    return _resource("Gateway", "edge", {"selector": {"istio": "ingressgateway"}, "servers": servers})


OPERATIONS = st.dictionaries(
    st.sampled_from(["paths", "notPaths", "methods", "hosts", "ports"]), st.none(), min_size=1, max_size=2
).flatmap(
    lambda names: st.fixed_dictionaries({name: OPERATION_FIELDS[name.removeprefix("not").lower()] for name in names})
)
PATH_PATTERNS = ["/a*", "/a", "*b", "/{*}/b", "/a/{**}", "/{**}", "*", "/{*}", "/new*", "/{**}/b"]
OPERATION_FIELDS = {
    "paths": st.lists(st.sampled_from(PATH_PATTERNS), min_size=1, max_size=2),
    "methods": st.sampled_from([["GET"], ["P*"], ["OPTIONS", "GET"]]),
    "hosts": st.sampled_from([["alpha*"], ["A.example.com", "*com"], ["*:8000"]]),
    "ports": st.sampled_from([["8000"], ["8080"], ["1"]]),
}
SOURCES = st.fixed_dictionaries({"ipBlocks": st.sampled_from([["10.244.0.0/16"], ["10.244.0.3"], ["192.168.0.0/16"]])})
CONDITIONS = st.builds(
    lambda name, values: {"key": f"request.headers[{name}]", "values": values},
    st.sampled_from(["x-a", "X-B", "x-set", "x-envoy-attempt-count"]),
    st.sampled_from([["a"], ["*"], ["a*", "1"], ["0", "2"]]),
)
POLICY_RULES = st.fixed_dictionaries(
    {},
    optional={
        "to": st.lists(OPERATIONS.map(lambda fields: {"operation": fields}), min_size=1, max_size=2),
        "from": st.lists(SOURCES.map(lambda fields: {"source": fields}), min_size=1, max_size=1),
        "when": st.lists(CONDITIONS, min_size=1, max_size=1),
    },
)
PLACES = st.sampled_from(
    [
        ("default", {"app": "alpha"}),
        ("default", {"app": CALLER}),
        ("default", {}),
        ("istio-system", {"istio": "ingressgateway"}),
    ]
)


@st.composite
def policies(draw: st.DrawFn, number: int) -> Json:
    """An AuthorizationPolicy for one of the workloads, or for the gateway."""
    namespace, labels = draw(PLACES)
    spec: Json = {
        "action": draw(st.sampled_from(["ALLOW", "DENY", "AUDIT"])),
        "rules": draw(st.lists(POLICY_RULES, min_size=1, max_size=2)),
    }
    if labels:
        spec["selector"] = {"matchLabels": labels}
    metadata = {"name": f"policy{number}", "namespace": namespace}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


@st.composite
def worlds(draw: st.DrawFn) -> list[Json]:
    """A Gateway, subsets, and one to four VirtualServices."""
    out = [_gateway(draw(SERVERS), draw(st.integers(0, 9)) == 7), SUBSETS]
    for number in range(draw(st.integers(2, 5))):
        hosts = draw(st.sampled_from(HOSTS))
        gateways = draw(st.sampled_from([["edge"], ["edge", "mesh"], ["mesh"], ["edge"], []]))
        if "*" in hosts and gateways != ["edge"]:  # refused on the mesh
            hosts = ["*.example.com"]
        out.append(_virtual_service(number, hosts, gateways, draw(RULES)))
    out += [draw(policies(number)) for number in range(draw(st.sampled_from([0, 0, 1, 2])))]
    return out


@dataclass(frozen=True)
class Asked:
    """A request: `host` is the Host header, and of calls from a workload also where it goes."""

    method: str
    host: str
    target: str
    headers: tuple[tuple[str, str], ...]
    inside: bool


HEADERS = st.lists(
    st.tuples(st.sampled_from(["x-a", "x-b", "end-user", "via"]), TEXTS)
    | st.sampled_from(
        [("x-forwarded-proto", "https"), ("origin", "http://x"), ("access-control-request-method", "PUT")]
    ),
    max_size=3,
)
REQUESTS = st.builds(
    lambda method, where, path, query, headers: Asked(method, where[0], f"{path}{query}", tuple(headers), where[1]),
    st.sampled_from(["GET", "GET", "POST", "OPTIONS"]),
    st.sampled_from([*((host, False) for host in OUTSIDE), *((host, True) for host in INSIDE)]),
    st.sampled_from(PATHS),
    st.sampled_from(["", "", "?q=a", "?q=b&q=a", "?q", "?Q=ab&q=1", "?q=a%20b"]),
    HEADERS,
)


def shown(world: list[Json]) -> str:
    """The rules, for a failing test's report."""
    return "\n".join(json.dumps(each) for each in world)
