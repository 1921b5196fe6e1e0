"""What routes make of paths and hosts, and where redirects lead. Seen on Envoy 1.40; `test_same_as_envoy.py` asks it again."""

from __future__ import annotations

from typing import Any

import pytest

from meshtest.explain.headers import received, request_headers
from meshtest.explain.rewrite import forwarded, location, rewritten

Json = dict[str, Any]


def regex(pattern: str, substitution: str) -> Json:
    """A rewrite by regular expression."""
    return {"regex_rewrite": {"pattern": {"regex": pattern}, "substitution": substitution}}


@pytest.mark.parametrize(
    ("match", "action", "target", "becomes"),
    [
        ({"prefix": "/a"}, {"prefix_rewrite": "/b"}, "/ab/c?q=1", "/bb/c?q=1"),
        ({"prefix": "/A", "case_sensitive": False}, {"prefix_rewrite": "/"}, "/abc", "/bc"),
        ({"path": "/a"}, {"prefix_rewrite": "/b"}, "/a?q", "/b?q"),
        ({"safe_regex": {"regex": ".*"}}, {"prefix_rewrite": "/b"}, "/a/c", "/b"),
        ({"prefix": "/"}, regex("^/([^/]*)", r"/x\1"), "/a/b?a", "/xa/b?a"),
        ({"prefix": "/"}, regex(r"\p{Greek}", "x"), "/a", None),
        ({"prefix": "/"}, {}, "/a?b", "/a?b"),
    ],
)
def test_rewritten(match: Json, action: Json, target: str, becomes: str | None) -> None:
    """A prefix is replaced, any other match as a whole; the query stays."""
    assert rewritten(match, action, target) == becomes


def test_forwarded() -> None:
    """Of headers the route's own word comes last, of hosts the cluster's counts first."""
    request = request_headers("GET", "a.b", "/x/y", [("x-a", "1")])
    cluster = {
        "request_headers_to_add": [_set("x-a", "cluster"), _set("x-b", "cluster")],
        "host_rewrite_literal": "c.d",
    }
    route = {"request_headers_to_add": [_set("x-a", "route")]}
    action = {"prefix_rewrite": "/z", "host_rewrite_literal": "e.f"}
    found = forwarded(request, {"prefix": "/x"}, action, [cluster, route])
    assert [found.value(name) for name in (":path", ":authority", "x-a", "x-b")] == ["/z/y", "c.d", "route", "cluster"]
    assert forwarded(request, {"prefix": "/x"}, action, [route]).value(":authority") == "e.f"


def _set(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


@pytest.mark.parametrize(
    ("redirect", "authority", "to"),
    [
        ({"path_redirect": "/to"}, "a.b", "http://a.b/to?q=1"),
        ({"path_redirect": "/to?x"}, "a.b", "http://a.b/to?x"),
        ({"path_redirect": ""}, "a.b:8080", "http://a.b:8080/x/y?q=1"),
        ({"path_redirect": "", "host_redirect": "c.d"}, "a.b:8080", "http://c.d/x/y?q=1"),
        ({"path_redirect": "", "scheme_redirect": "https"}, "a.b:80", "https://a.b/x/y?q=1"),
        ({"path_redirect": "", "scheme_redirect": "https"}, "a.b:8080", "https://a.b:8080/x/y?q=1"),
        ({"path_redirect": "", "port_redirect": 8443}, "a.b:80", "http://a.b:8443/x/y?q=1"),
        ({"path_redirect": "", "port_redirect": 8443}, "[::1]", "http://[::1]:8443/x/y?q=1"),
        ({"prefix_rewrite": "/z"}, "a.b", "http://a.b/z/y?q=1"),
    ],
)
def test_location(redirect: Json, authority: str, to: str) -> None:
    """Path, host, scheme and port are replaced one by one; a port that went without saying goes with its scheme."""
    request = received(request_headers("GET", authority, "/x/y?q=1", ()), encrypted=False, gateway=True)
    assert location({"prefix": "/x"}, redirect, request) == to
