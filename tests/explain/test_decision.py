"""Which rule decides a request, told without sending it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.explain.decision import Decision, decide
from meshtest.resources.manifest import check, read_objects
from meshtest.traffic.request import GET, Request, request
from meshtest.translate.proxy_config import translate
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.translate.snapshots import (
    GATEWAY,
    GATEWAY_NAME,
    REVIEWS,
    SUBSETS,
    config,
    gateway,
    topology,
    virtual_service,
)

TO = "route: [{destination: {host: reviews, subset: v1}}]"
SIDECAR, INGRESS = "0.0.0.0_9080", "0.0.0.0_8080"


def number(http: str, asked: Request, host: str = "reviews:9080") -> int | None:
    """The number of the rule (of a list in YAML) that decides a request from productpage."""
    found = decide(config(virtual_service(http) + SUBSETS), SIDECAR, host, asked)
    return None if found is None else found.rule


@pytest.mark.parametrize(
    ("match", "asked", "matches"),
    [
        ("{uri: {exact: /a}}", GET("/a?x=1"), True),
        ("{uri: {exact: /a}}", GET("/a/"), False),
        ("{uri: {prefix: /a}}", GET("/ab"), True),
        ("{uri: {prefix: /A}, ignoreUriCase: true}", GET("/ab"), True),
        ("{uri: {exact: /A}}", GET("/a"), False),
        ("{uri: {regex: '/[a-z]+'}}", GET("/abc?d=E"), True),
        ("{uri: {regex: '/[a-z]+'}}", GET("/abc/"), False),
        ("{method: {exact: POST}}", GET("/"), False),
        ("{method: {regex: 'GET|HEAD'}}", GET("/"), True),
        ("{authority: {prefix: 'reviews:'}}", GET("/"), True),
        ("{scheme: {exact: http}}", GET("/"), True),
        ("{headers: {end-user: {exact: jason}}}", GET("/", headers={"End-User": "jason"}), True),
        ("{headers: {End-User: {exact: jason}}}", GET("/", headers={"end-user": "jason"}), True),
        ("{headers: {end-user: {exact: jason}}}", GET("/", headers={"end-user": "Jason"}), False),
        ("{headers: {end-user: {exact: jason}}}", GET("/"), False),
        ("{headers: {a: {exact: c}}}", GET("/", headers=[("a", "b"), ("A", "c")]), True),
        ("{headers: {a: {exact: 'b,c'}}}", GET("/", headers=[("a", "b"), ("A", "c")]), False),
        ("{headers: {via: {exact: 'b,c'}}}", GET("/", headers=[("via", "b"), ("via", "c")]), True),
        ("{withoutHeaders: {a: {exact: c}}}", GET("/", headers=[("a", "b"), ("A", "c")]), False),
        ("{headers: {a: {}}}", GET("/", headers={"a": ""}), True),
        ("{headers: {a: {}}}", GET("/"), False),
        ("{withoutHeaders: {a: {}}}", GET("/"), True),
        ("{withoutHeaders: {a: {exact: b}}}", GET("/", headers={"a": "b"}), False),
        ("{withoutHeaders: {a: {exact: b}}}", GET("/"), True),
        ("{withoutHeaders: {a: {exact: ''}}}", GET("/"), False),
        ("{queryParams: {q: {exact: '1'}}}", GET("/?q=1&q=2"), True),
        ("{queryParams: {q: {exact: '2'}}}", GET("/?q=1&q=2"), False),
        ("{queryParams: {q: {exact: 'a b'}}}", GET("/?q=a%20b"), False),
        ("{queryParams: {q: {exact: 'a%20b'}}}", GET("/?q=a%20b"), True),
        ("{uri: {exact: /b}}", GET("/a/../b"), True),
        ("{queryParams: {q: {exact: 'a+b'}}}", GET("/?q=a+b"), True),
        ("{queryParams: {q: {}}}", GET("/?q"), True),
        ("{queryParams: {q: {regex: '[0-9]+'}}}", GET("/?q=12"), True),
        ("{queryParams: {q: {}}}", GET("/"), False),
        ("{port: 80}", GET("/"), False),
        (r"{uri: {regex: '/\d'}}", GET("/1"), True),
    ],
)
def test_matches(match: str, asked: Request, matches: bool) -> None:
    """A request is matched as Envoy would."""
    assert number(f"- match: [{match}]\n  {TO}\n- {TO}", asked) == (0 if matches else 1)


@pytest.mark.parametrize("pattern", [r"/\p{Greek}", "/((a{1000}){1000}|b)"])
def test_what_cannot_be_told(pattern: str) -> None:
    """A pattern that cannot be evaluated is not guessed at."""
    assert number(f"- match: [{{uri: {{regex: '{pattern}'}}}}]\n  {TO}\n- {TO}", GET("/a")) is None
    first = f"- match: [{{uri: {{exact: /a}}}}]\n  {TO}\n- match: [{{uri: {{regex: '{pattern}'}}}}]\n  {TO}"
    assert number(first, GET("/a")) == 0


def test_decision() -> None:
    """A decision names the resource, its place, and the weights; a destination that stands twice has both weights."""
    route = "route: [{destination: {host: reviews, subset: v1}, weight: 3}, {destination: {host: reviews, subset: v2}, weight: 5}, {destination: {host: reviews, subset: v1}, weight: 4}]"
    found = decide(config(virtual_service(f"- {route}") + SUBSETS), SIDECAR, "reviews", GET("/"))
    assert found == Decision(
        "VirtualService default/it",
        0,
        "test.yaml:8",
        {f"outbound|9080|v1|{REVIEWS}": 7, f"outbound|9080|v2|{REVIEWS}": 5},
    )
    answers = decide(config(virtual_service("- directResponse: {status: 204}")), SIDECAR, "reviews", GET("/"))
    assert answers is not None
    assert answers.clusters == {}


@pytest.mark.parametrize(
    ("host", "decided"),
    [
        *(
            ("reviews", True),
            ("reviews:9080", True),
            ("REVIEWS.default.svc.cluster.local.", True),
            ("reviews.default", True),
        ),
        *(("ratings", False), ("example.com", False), ("", False)),
    ],
)
def test_hosts(host: str, decided: bool) -> None:
    """A host is looked up without its port and case; where no rule is for it, none decides."""
    assert (number(f"- {TO}", GET("/"), host) is not None) is decided


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.b.com", "exact"),
        ("c.b.com", "long"),
        ("x.com", "short"),
        ("b.com", "short"),
        ("x.org", "any"),
        ("A.B.com:80", "exact"),
    ],
)
def test_virtual_hosts_in_envoys_order(host: str, name: str) -> None:
    """A full name comes before the longest wildcard, this before any host."""
    hosts = {"exact": "a.b.com", "long": "*.b.com", "short": "*.com", "any": "*"}
    rules = "".join(virtual_service(f"- {TO}", f"['{host}']", name, "gateways: [edge]") for name, host in hosts.items())
    found = decide(config(GATEWAY + rules + SUBSETS, GATEWAY_NAME), INGRESS, host, GET("/"))
    assert found is not None
    assert found.resource == f"VirtualService default/{name}"


def test_nothing_decides() -> None:
    """No rule decides where nothing listens, no route matches, or all is redirected to HTTPS."""
    text = GATEWAY + virtual_service(f"- match: [{{uri: {{exact: /a}}}}]\n  {TO}", "['*']", more="gateways: [edge]")
    made = config(text, GATEWAY_NAME)
    assert decide(made, INGRESS, "x", GET("/a")) is not None
    assert decide(made, INGRESS, "x", GET("/b")) is None
    assert decide(made, "0.0.0.0_1", "x", GET("/a")) is None
    assert decide(config("", "productpage-v1"), "virtualOutbound", "x", GET("/a")) is None
    secured = gateway("[{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*'], tls: {httpsRedirect: true}}]")
    made = config(secured + virtual_service(f"- {TO}", "['*']", more="gateways: [edge]"), GATEWAY_NAME)
    assert decide(made, INGRESS, "x", GET("/")) is None


PATHS = st.sampled_from(["/", "/a", "/ab", "/A", "/a/b", "/b"])
TEXTS = st.one_of(
    st.fixed_dictionaries({"exact": st.sampled_from(["a", "b", ""])}),
    st.fixed_dictionaries({"prefix": st.sampled_from(["a", "ab"])}),
    st.fixed_dictionaries({"regex": st.sampled_from(["a|b", "a.*", "[ab]+"])}),
)
MAYBE_TEXTS: st.SearchStrategy[dict[str, str]] = TEXTS | st.just({})
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "uri": st.one_of(*(st.fixed_dictionaries({kind: PATHS}) for kind in ("exact", "prefix", "regex"))),
        "ignoreUriCase": st.booleans(),
        "method": st.fixed_dictionaries({"exact": st.sampled_from(["GET", "POST"])}),
        "headers": st.dictionaries(st.sampled_from(["x", "Z"]), MAYBE_TEXTS, max_size=2),
        "withoutHeaders": st.dictionaries(st.sampled_from(["x", "w"]), MAYBE_TEXTS, max_size=2),
        "queryParams": st.dictionaries(st.sampled_from(["q", "r"]), MAYBE_TEXTS, max_size=1),
    },
)
RULES = st.lists(st.lists(MATCHES, max_size=2), min_size=1, max_size=5)
REQUESTS = st.builds(
    lambda method, path, query, headers: request(method, f"{path}{query}", headers=headers),
    st.sampled_from(["GET", "POST"]),
    PATHS,
    st.sampled_from(["", "?q=a", "?q=b&r", "?r=ab"]),
    st.dictionaries(st.sampled_from(["x", "z", "w"]), st.sampled_from(["a", "ab", "b", ""])),
)


def says(match: dict[str, str], value: str | None) -> bool:
    """Whether Istio's StringMatch takes a value."""
    if value is None or not match:
        return value is not None
    ((kind, wanted),) = match.items()
    if kind == "regex":
        return re.fullmatch(wanted, value) is not None
    return value == wanted if kind == "exact" else value.startswith(wanted)


def takes(match: dict[str, Any], asked: Request) -> bool:
    """What Istio's reference says of a match, field by field."""
    path, _, query = asked.path.partition("?")
    uri = dict(match.get("uri", {}))
    if match.get("ignoreUriCase") and "regex" not in uri:
        path, uri = path.lower(), {kind: wanted.lower() for kind, wanted in uri.items()}
    parameters = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
    if uri and not says(uri, path):
        return False
    if "method" in match and not says(match["method"], asked.method):
        return False
    if not all(says(wanted, asked.header(name)) for name, wanted in match.get("headers", {}).items()):
        return False
    if not all(says(wanted, parameters.get(name)) for name, wanted in match.get("queryParams", {}).items()):
        return False
    unwanted = match.get("withoutHeaders", {})
    # A missing header counts as an empty text there, unless mere presence is asked for.
    return not any(
        says(wanted, asked.header(name) if not wanted else asked.header(name) or "")
        for name, wanted in unwanted.items()
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(RULES, REQUESTS)
def test_the_first_rule_that_matches_decides(rules: list[list[dict[str, Any]]], asked: Request) -> None:
    """The decision is the first rule of which a match takes the request, as Istio's reference has it."""
    http = [{"match": match, "route": [{"destination": {"host": "reviews"}}]} for match in rules]
    spec = {"hosts": ["reviews"], "http": http}
    rule = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "it"}, "spec": spec}
    made = translate(Snapshot(topology(), check(read_objects([rule]))), Proxy(topology().names["productpage-v1"][0]))
    expected = next(
        (index for index, match in enumerate(rules) if not match or any(takes(each, asked) for each in match)), None
    )
    found = decide(made, SIDECAR, "reviews", asked)
    assert (None if found is None else found.rule) == expected
