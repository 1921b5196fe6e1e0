"""Rules that are called dead never take a request, whatever it is; those that plainly are dead are found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.analysis.catalogue import UNREACHABLE_MATCH, UNREACHABLE_RULE
from meshtest.analysis.finding import Finding
from meshtest.analysis.reached import check
from tests.analysis.worlds import world

STRING = st.one_of(
    st.builds(lambda text: {"exact": text}, st.sampled_from(["a", "ab", "b"])),
    st.builds(lambda text: {"prefix": text}, st.sampled_from(["a", "ab"])),
    st.builds(lambda text: {"regex": text}, st.sampled_from(["a", "a.*", ".*", "a|b", "[ab]", "ab?"])),
    st.just({}),
)
URI = st.one_of(
    st.builds(lambda text: {"exact": text}, st.sampled_from(["/a", "/a/b", "/A"])),
    st.builds(lambda text: {"prefix": text}, st.sampled_from(["/", "/a", "/a/", "/A"])),
    st.builds(lambda text: {"regex": text}, st.sampled_from(["/a", "/a.*", "/.*", ".*", "/(a|b)", "/[ab]", "/a/.+"])),
)
METHOD = st.sampled_from([{"exact": "GET"}, {"exact": "POST"}, {"regex": "GET|POST"}, {"prefix": "P"}])
MATCH = st.fixed_dictionaries(
    {},
    optional={
        "uri": URI,
        "ignoreUriCase": st.just(True),
        "method": METHOD,
        "headers": st.dictionaries(st.sampled_from(["x", "y"]), STRING, max_size=2),
        "withoutHeaders": st.dictionaries(st.sampled_from(["x", "y"]), STRING, min_size=1, max_size=1),
        "queryParams": st.dictionaries(st.just("q"), STRING, max_size=1),
        "port": st.sampled_from([80, 81]),
        "gateways": st.sampled_from([["default/one"], ["default/two"], ["default/one", "default/two"]]),
    },
)
RULES = st.lists(st.lists(MATCH, max_size=3), min_size=2, max_size=5)
REQUESTS = [
    {"path": path, "method": method, "x": x, "y": y, "q": q, "port": port, "gateway": gateway}
    for path, method, x, y, q, port, gateway in product(
        ["/", "/a", "/b", "/a/b", "/ac", "/A", "/A/b"],
        ["GET", "POST"],
        [None, "", "a", "ab", "b"],
        [None, "a"],
        [None, "a"],
        [80, 81],
        ["default/one", "default/two"],
    )
]


def takes(match: Mapping[str, str], text: str | None, fold: bool = False) -> bool:
    if text is None:
        return False
    if "regex" in match:
        return re.fullmatch(match["regex"], text) is not None
    kind, wanted = next(iter(match.items()), ("prefix", ""))
    if fold:
        text, wanted = text.lower(), wanted.lower()
    return text == wanted if kind == "exact" else text.startswith(wanted)


def forbids(match: Mapping[str, str], text: str | None) -> bool:
    """A missing header counts as empty, unless mere presence is forbidden."""
    return text is not None if not match or match.get("regex") == "*" else takes(match, text or "")


def fits(match: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    return (
        takes(match.get("uri", {"prefix": "/"}), request["path"], match.get("ignoreUriCase", False))
        and takes(match.get("method", {}), request["method"])
        and all(takes(value, request[name]) for name, value in match.get("headers", {}).items())
        and not any(forbids(value, request[name]) for name, value in match.get("withoutHeaders", {}).items())
        and all(takes(value, request[name]) for name, value in match.get("queryParams", {}).items())
        and match.get("port", request["port"]) == request["port"]
        and request["gateway"] in match.get("gateways", [request["gateway"]])
    )


def rule(number: int, *matches: Mapping[str, Any]) -> dict[str, Any]:
    return {"match": list(matches), "directResponse": {"status": 200 + number}}


def virtual_service(rules: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    spec = {"hosts": ["shop.example.com"], "gateways": ["one", "two"], "http": rules, **spec}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "shop"},
        "spec": spec,
    }


def gateway(name: str) -> dict[str, Any]:
    servers = [
        {"port": {"number": port, "name": f"http-{port}", "protocol": "HTTP"}, "hosts": ["*"]} for port in (80, 81)
    ]
    spec = {"selector": {"istio": "ingressgateway"}, "servers": servers}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": name}, "spec": spec}


def dead(rules: list[dict[str, Any]], **spec: Any) -> list[Finding]:
    return list(check(world(virtual_service(rules, **spec), gateway("one"), gateway("two"))))


def first(rules: list[dict[str, Any]], request: Mapping[str, Any]) -> tuple[int, int] | None:
    """Which match of which rule takes a request."""
    for number, each in enumerate(rules):
        for index, match in enumerate(each["match"] or [{}]):
            if fits(match, request):
                return (number, index)
    return None


@settings(max_examples=300)
@given(RULES)
def test_the_dead_take_nothing(matches: list[list[dict[str, Any]]]) -> None:
    rules = [rule(number, *each) for number, each in enumerate(matches)]
    taken = {first(rules, request) for request in REQUESTS}
    for finding in dead(rules):
        number = finding.path[2]
        if finding.code is UNREACHABLE_RULE:
            assert not any(place and place[0] == number for place in taken), finding
        else:
            assert finding.code is UNREACHABLE_MATCH
            assert (number, finding.path[4]) not in taken, finding


def header(name: str, **match: str) -> dict[str, Any]:
    return {"headers": {name: match}}


def without(name: str, **match: str) -> dict[str, Any]:
    return {"withoutHeaders": {name: match}}


DEAD: dict[str, list[list[dict[str, Any]]]] = {
    "behind everything": [[], [{"uri": {"prefix": "/a"}}]],
    "behind a wider prefix": [[{"uri": {"prefix": "/a"}}], [{"uri": {"prefix": "/a/b"}}]],
    "the exact path of a prefix": [[{"uri": {"prefix": "/a"}}], [{"uri": {"exact": "/a/b"}}]],
    "the same twice": [[header("x", exact="a")], [header("x", exact="a")]],
    "names of headers in other letters": [[header("X", exact="a")], [header("x", exact="a")]],
    "with more conditions": [[header("x", prefix="a")], [{"uri": {"prefix": "/b"}, **header("x", exact="ab")}]],
    "presence, then a value": [[header("x")], [header("x", regex="a.+")]],
    "with a header and without": [[header("x")], [without("x")], []],
    "a value and any other": [[header("x", exact="a")], [without("x", exact="a")], []],
    "both methods": [
        [{"method": {"exact": "GET"}}],
        [{"method": {"exact": "POST"}}],
        [{"method": {"regex": "GET|POST"}}],
    ],
    "two paths of an expression": [
        [{"uri": {"exact": "/a"}}],
        [{"uri": {"prefix": "/b"}}],
        [{"uri": {"regex": "/(a|b)"}}],
    ],
    "both gateways": [[{"gateways": ["default/one"]}], [{"gateways": ["default/two"]}], []],
    "both ports": [[{"port": 80}], [{"port": 81}], []],
    "four together": [
        [{"headers": {"x": {}, "y": {}}}],
        [{"headers": {"x": {}}, **without("y")}],
        [{"headers": {"y": {}}, **without("x")}],
        [{"withoutHeaders": {"x": {}, "y": {}}}],
        [{"uri": {"prefix": "/a"}}],
    ],
    "case ignored": [[{"uri": {"prefix": "/A"}, "ignoreUriCase": True}], [{"uri": {"prefix": "/a/b"}}]],
    "an expression with an open end": [[{"uri": {"regex": "/v[0-9]+/.*"}}], [{"uri": {"prefix": "/v1/users"}}]],
    "query parameters": [[{"queryParams": {"q": {}}}], [{"queryParams": {"q": {"exact": "a"}}}]],
    "one of many": [*([{"uri": {"exact": f"/{number}"}}] for number in range(200)), [{"uri": {"exact": "/7"}}]],
    "behind one of many": [
        [{"uri": {"prefix": "/a"}}],
        *([header("x", exact=f"{number}")] for number in range(200)),
        [{"uri": {"exact": "/a/b"}}],
    ],
}
ALIVE: dict[str, list[list[dict[str, Any]]]] = {
    "a longer prefix first": [[{"uri": {"prefix": "/a/b"}}], [{"uri": {"prefix": "/a"}}]],
    "other values": [[header("x", exact="a")], [header("x", exact="b")]],
    "fewer conditions": [[{"uri": {"prefix": "/a"}, **header("x")}], [{"uri": {"prefix": "/a"}}]],
    "case matters": [[{"uri": {"prefix": "/a"}}], [{"uri": {"prefix": "/A"}}]],
    "case ignored by the later one": [[{"uri": {"prefix": "/a"}}], [{"uri": {"prefix": "/a"}, "ignoreUriCase": True}]],
    "an empty header is no missing one": [
        [header("x", exact="")],
        [without("x", exact="")],
        [{"uri": {"prefix": "/a"}}],
    ],
    "other callers": [[{"sourceLabels": {"app": "a"}}], [{"sourceLabels": {"app": "b"}}], []],
    "one of the gateways": [[{"gateways": ["default/one"]}], []],
}


@pytest.mark.parametrize("name", DEAD)
def test_dead(name: str) -> None:
    """The last rule takes nothing."""
    rules = [rule(number, *matches) for number, matches in enumerate(DEAD[name])]
    found = dead(rules)
    assert [(each.code, each.path[2]) for each in found] == [(UNREACHABLE_RULE, len(rules) - 1)]
    assert found[0].severity == "warning"


@pytest.mark.parametrize("name", ALIVE)
def test_alive(name: str) -> None:
    assert dead([rule(number, *matches) for number, matches in enumerate(ALIVE[name])]) == []


def test_the_same_action_is_a_hint() -> None:
    """A rule that is never reached does no harm if what comes first does the same."""
    same = {"directResponse": {"status": 200}}
    found = dead([{"match": [{"uri": {"prefix": "/a"}}], **same}, {"match": [{"uri": {"prefix": "/a/b"}}], **same}])
    assert [each.severity for each in found] == ["info"]


def layer4(section: str, *matches: dict[str, Any]) -> Iterator[Finding]:
    rules = [
        {"match": [match], "route": [{"destination": {"host": f"host-{number}"}}]}
        for number, match in enumerate(matches)
    ]
    hosts = ["*.example.com"]
    return check(world(virtual_service([], hosts=hosts, **{section: rules}), gateway("one"), gateway("two")))


def test_server_names() -> None:
    """Server names are compared from behind, as wildcards are written."""
    assert [
        each.path[2] for each in layer4("tls", {"sniHosts": ["*.example.com"]}, {"sniHosts": ["a.example.com"]})
    ] == [1]
    assert [
        each.path[2]
        for each in layer4("tls", {"sniHosts": ["a.example.com", "b.example.com"]}, {"sniHosts": ["b.example.com"]})
    ] == [1]
    assert not [*layer4("tls", {"sniHosts": ["a.example.com"]}, {"sniHosts": ["*.example.com"]})]


def test_tcp_rules() -> None:
    assert [
        each.path[2] for each in layer4("tcp", {"port": 80}, {"port": 80, "destinationSubnets": ["10.0.0.0/8"]})
    ] == [1]
    assert not [*layer4("tcp", {"port": 80, "destinationSubnets": ["10.0.0.0/8"]}, {"port": 80})]


def test_delegates_are_looked_at_in_their_place() -> None:
    """A delegate's rule may be dead behind a rule of the root."""
    root = virtual_service(
        [rule(0, {"uri": {"prefix": "/a"}}), {"match": [{"uri": {"prefix": "/a/b"}}], "delegate": {"name": "team"}}],
        gateways=["one"],
    )
    team = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "team"},
        "spec": {"http": [rule(1)]},
    }
    found = list(check(world(root, team, gateway("one"))))
    assert [(each.resource.name, each.path) for each in found] == [("team", ("spec", "http", 0))]
