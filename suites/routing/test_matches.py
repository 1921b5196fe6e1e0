"""Which rule decides a request: each kind of match of a VirtualService, alone and together with others."""

from collections.abc import Mapping

import pytest

from meshtest import GET, POST, Request, Source, Split, answered, split

NOT_NOTICED = {
    "Gateway/edge:selector:removed": "the egress gateway listens then, too, where nobody comes in",
    "*.method=prefix": "no method of HTTP begins with another one's name",
}
pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_mutants(points=30, skip=NOT_NOTICED)]

NO_ROUTE = answered(404, flags="NR", details="route_not_found", within=20)


def goes_to(version: str) -> Split:
    """All to one of the two versions: a rule decides as a whole, so that few requests are enough."""
    other = {"v1": "v2", "v2": "v1"}[version]
    return split({version: 100, other: 0}, within=20, zero_within=20)


def expect_each(ingress: Source, cases: Mapping[Request, str]) -> None:
    for request, version in cases.items():
        ingress.expect(request, goes_to(version))


def test_uri_exact(mesh, ingress):
    """`uri.exact` takes a path only as it is written, whatever its query."""
    mesh.apply("test_matches.yaml")
    paths = {"/exact": "v2", "/exact?x=1": "v2", "/exact/more": "v1", "/Exact": "v1"}
    expect_each(ingress, {GET(f"http://uri.example.com{path}"): version for path, version in paths.items()})


def test_uri_prefix(mesh, ingress):
    """`uri.prefix` takes every path that begins so, also amid a word."""
    mesh.apply("test_matches.yaml")
    paths = {"/prefix": "v2", "/prefix/more": "v2", "/prefixed": "v2", "/a/prefix": "v1"}
    expect_each(ingress, {GET(f"http://uri.example.com{path}"): version for path, version in paths.items()})


def test_uri_regex(mesh, ingress):
    """`uri.regex` must match the whole path, without its query."""
    mesh.apply("test_matches.yaml")
    paths = {"/item/42": "v2", "/item/42?x=a": "v2", "/item/42/a": "v1", "/item/a": "v1", "/an/item/42": "v1"}
    expect_each(ingress, {GET(f"http://uri.example.com{path}"): version for path, version in paths.items()})


def test_ignore_uri_case(mesh, ingress):
    """`ignoreUriCase` makes upper and lower case alike in the path."""
    mesh.apply("test_matches.yaml")
    paths = {"/anycase": "v2", "/AnyCase": "v2", "/ANYCASES": "v1"}
    expect_each(ingress, {GET(f"http://uri.example.com{path}"): version for path, version in paths.items()})


def test_method(mesh, ingress):
    """`method` tells requests to the same path apart."""
    mesh.apply("test_matches.yaml")
    url = "http://method.example.com/"
    expect_each(ingress, {POST(url, body="x"): "v2", GET(url): "v1"})


def test_authority(mesh, ingress):
    """`authority` looks at the host that was asked for, and at its port if given: exactly, its begin, or all of it by an expression."""
    mesh.apply("test_matches.yaml")
    hosts = {"exact": "v2", "exactly": "v1", "prefixed": "v2", "a-1": "v2", "a-b": "v1", "other": "v1"}
    expect_each(ingress, {GET(f"http://{host}.authority.example.com/"): version for host, version in hosts.items()})
    ingress.expect(GET("/", headers={"host": "exact.authority.example.com:80"}), goes_to("v1"))


def test_headers(mesh, ingress):
    """`headers` compares values exactly, by their begin, or as a whole by an expression; an empty match asks for presence."""
    mesh.apply("test_matches.yaml")
    headers = {
        ("end-user", "jason"): "v2",
        ("end-user", "jasons"): "v1",
        ("x-prefix", "canary"): "v2",
        ("x-prefix", "a-canary"): "v1",
        ("cookie", "a=b; stage=beta; c=d"): "v2",
        ("cookie", "stage=old"): "v1",
        ("x-present", "anything"): "v2",
        ("x-other", "anything"): "v1",
    }
    url = "http://headers.example.com/"
    expect_each(ingress, {GET(url, headers=dict([header])): version for header, version in headers.items()})


def test_without_headers(mesh, ingress):
    """`withoutHeaders` takes requests that have none of these headers, or not with such a value."""
    mesh.apply("test_matches.yaml")
    url = "http://headers.example.com/without"
    expect_each(
        ingress,
        {
            GET(f"{url}/more"): "v2",
            GET(url, headers={"x-blocked": "no"}): "v2",
            GET(url, headers={"x-blocked": "yesterday"}): "v2",
            GET(url, headers={"x-blocked": "yes"}): "v1",
            GET(url, headers={"x-known": "1"}): "v1",
        },
    )


def test_query_parameters(mesh, ingress):
    """`queryParams` compares values of the query exactly, as a whole by an expression, or by their begin."""
    mesh.apply("test_matches.yaml")
    queries = {
        "?stage=canary": "v2",
        "?a=b&stage=canary&c=d": "v2",
        "?stage=canary2": "v1",
        "?id=42": "v2",
        "?id=42a": "v1",
        "?kind=newest": "v2",
        "?kind=old": "v1",
        "": "v1",
    }
    expect_each(ingress, {GET(f"http://query.example.com/{query}"): version for query, version in queries.items()})


def test_all_conditions_of_a_match(mesh, ingress):
    """The conditions of one match must all be met; without a rule that takes it, a request gets 404."""
    mesh.apply("test_matches.yaml")
    url, tester = "http://several.example.com/both/of", {"x-role": "tester"}
    ingress.expect(GET(url, headers=tester), goes_to("v2"))
    ingress.expect(GET(url), NO_ROUTE)
    ingress.expect(GET(url, headers={"x-role": "testers"}), NO_ROUTE)
    ingress.expect(POST(url, headers=tester), NO_ROUTE)
    ingress.expect(GET("http://several.example.com/a/both", headers=tester), NO_ROUTE)


def test_any_match_of_a_rule(mesh, ingress):
    """Of several matches of a rule one is enough."""
    mesh.apply("test_matches.yaml")
    for path in ("/one", "/other"):
        ingress.expect(GET(f"http://several.example.com{path}"), goes_to("v2"))
        ingress.expect(GET(f"http://several.example.com{path}/more"), NO_ROUTE)


def test_first_rule_wins(mesh, ingress):
    """Of the rules that would take a request the first one decides, not the most specific one."""
    mesh.apply("test_matches.yaml")
    paths = {"/first/inner/a": "v2", "/first/a": "v1", "/f/a": "v2"}
    expect_each(ingress, {GET(f"http://several.example.com{path}"): version for path, version in paths.items()})


def test_no_rule(mesh, ingress):
    """A request that no rule takes, or for a host that no VirtualService has, is answered 404 NR route_not_found."""
    mesh.apply("test_matches.yaml")
    ingress.expect(GET("http://several.example.com/nowhere"), NO_ROUTE)
    ingress.expect(GET("http://nobody.example.com/"), NO_ROUTE)


def test_controls(mesh, ingress):
    """Rules that send a fifth elsewhere are noticed."""
    mesh.apply("test_matches.yaml")
    ingress.control(GET("http://uri.example.com/item/42"), goes_to("v2"))
    ingress.control(GET("http://uri.example.com/"), goes_to("v1"))
