"""Rules that a VirtualService leaves to another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.translate.delegate import conflict, merged_matches
from tests.translate.snapshots import GATEWAY, Json, gateway_routes, snapshot, virtual_service

ROOT = GATEWAY + virtual_service(
    """
- name: root
  match: [{uri: {prefix: /team}, headers: {x-a: {exact: "1"}}}]
  delegate: {name: part}
  timeout: 3s
  rewrite: {uri: /}
- route: [{destination: {host: ratings}}]
""",
    '["*"]',
    "root",
    "gateways: [edge]",
)


def part(http: str, more: str = "", namespace: str = "default") -> str:
    """The delegate."""
    return virtual_service(http, "[]", "part", more, namespace)


def matches(made: list[Json]) -> list[Any]:
    """The paths of routes."""
    return [each["match"].get("prefix") or each["match"].get("path") for each in made]


def test_a_delegate_inherits() -> None:
    """The delegate's rules stand in place of the root's, within its match, with what only the root says."""
    own = part("- {name: own, match: [{uri: {prefix: /team/a}}], timeout: 1s, route: [{destination: {host: reviews}}]}")
    first, second = gateway_routes(ROOT + own)
    assert first["name"] == "root-own"
    assert first["match"]["prefix"] == "/team/a"
    assert [each["name"] for each in first["match"]["headers"]] == ["x-a"]
    assert (first["route"]["timeout"], first["route"]["prefix_rewrite"]) == ("1s", "/")
    assert first["metadata"]["filter_metadata"]["meshtest"]["resource"] == "VirtualService default/part"
    assert second["match"] == {"prefix": "/"}


@pytest.mark.parametrize(
    "other",
    [
        "",
        part("- route: [{destination: {host: reviews}}]", namespace="other"),
        part("- route: [{destination: {host: reviews}}]", "exportTo: [nowhere]"),
        part("- {match: [{uri: {prefix: /other}}], route: [{destination: {host: reviews}}]}"),
        part("- {match: [{uri: {regex: /team/.*}}], route: [{destination: {host: reviews}}]}"),
        part("- {match: [{uri: {prefix: /team/a}, ignoreUriCase: true}], route: [{destination: {host: reviews}}]}"),
    ],
)
def test_what_does_not_fit_is_left_out(other: str) -> None:
    """A delegate that is missing, elsewhere, hidden, or outside the root's match has no rules here."""
    assert matches(gateway_routes(ROOT + other)) == ["/"]


def test_each_match_within_each_of_the_root() -> None:
    """A match that fits several of the root's counts within each; a rule without one takes over the root's."""
    root = [{"uri": {"prefix": "/a"}}, {"headers": {"x": {"exact": "1"}}}]
    assert merged_matches(root, [{"uri": {"exact": "/a/b"}}]) == [
        {"uri": {"exact": "/a/b"}},
        {"uri": {"exact": "/a/b"}, "headers": {"x": {"exact": "1"}}},
    ]
    assert merged_matches(root, []) == root
    assert merged_matches([], root) == root
    assert merged_matches(root[:1], [{"uri": {"exact": "/b"}}]) is None


TEXTS = st.sampled_from(
    [None, *({kind: value} for kind in ("exact", "prefix", "regex") for value in ("/a", "/a/b", "/b"))]
)


@given(TEXTS, TEXTS, st.integers(0, 2), st.integers(0, 2))
def test_conflicts(outer: Any, inner: Any, port: int, own: int) -> None:
    """A prefix holds what begins with it; a regex holds nothing that is said; what is not said is no conflict."""
    root = {"port": port, **({"uri": outer} if outer else {})}
    leaf = {"port": own, **({"uri": inner} if inner else {})}
    expected = bool(port and own and port != own)
    if outer and inner:
        (kind, text), (own_kind, own_text) = *outer.items(), *inner.items()
        within = {
            "exact": own_kind == "exact" and own_text == text,
            "prefix": own_kind != "regex" and own_text.startswith(text),
            "regex": False,
        }
        expected = expected or not within[kind]
    assert conflict(root, leaf) is expected


def test_a_delegate_alone_does_nothing() -> None:
    """Without hosts and without a root that names it a VirtualService is not in force."""
    assert snapshot(part("- route: [{destination: {host: reviews}}]")).virtual_services == []
