"""Which DestinationRule counts for whom, and how several for one host become one."""

from __future__ import annotations

import pytest

from tests.translate.snapshots import GATEWAY_NAME, REVIEWS, config, destination_rule

CLIENTS = """
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: other, labels: {app: client}}
"""
UNLIMITED = 2**32 - 1


def limit(number: int, host: str = REVIEWS, namespace: str = "default", more: str = "", name: str = "it") -> str:
    """A rule that can be told by its limit."""
    return destination_rule(
        f"host: '{host}'\ntrafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {number}}}}}}}\n{more}",
        name,
        namespace,
    )


def found(text: str, proxy: str = "productpage-v1", subset: str = "") -> int | None:
    """The limit that counts for a proxy; None if no rule does."""
    cluster = config(text, proxy, CLIENTS).clusters[f"outbound|9080|{subset}|{REVIEWS}"]
    number = cluster["circuit_breakers"]["thresholds"][0]["max_connections"]
    return None if number == UNLIMITED else number


@pytest.mark.parametrize(
    ("host", "counts"),
    [
        *((REVIEWS, True), ("reviews", True), ("*.default.svc.cluster.local", True), ("*", True), ("*.local", True)),
        *(
            ("reviews.default", False),
            ("reviews.default.svc", False),
            ("*.other.svc.cluster.local", False),
            ("ratings", False),
        ),
    ],
)
def test_hosts(host: str, counts: bool) -> None:
    """A rule is for a full name, a short name of its namespace, or a wildcard; names in between are nobody's."""
    assert (found(limit(1, host)) == 1) is counts


def test_the_most_specific_host_counts() -> None:
    """Of several rules of a namespace that for the narrowest host counts alone."""
    rules = [
        limit(1, "*", name="a"),
        limit(2, "*.svc.cluster.local", name="b"),
        limit(3, "*.default.svc.cluster.local", name="c"),
        limit(4, REVIEWS, name="d"),
    ]
    assert [found("".join(rules[:number])) for number in range(1, 5)] == [1, 2, 3, 4]


def test_places() -> None:
    """The caller's namespace comes before the Service's, this before the root namespace, whatever the hosts."""
    of_caller, of_service, of_root = limit(1, "*", "other"), limit(2, "*", "default"), limit(3, REVIEWS, "istio-system")
    assert found(of_caller + of_service + of_root, "client") == 1
    assert found(of_service + of_root, "client") == 2
    assert found(of_root, "client") == 3
    assert found(of_caller, "productpage-v1") is None


def test_places_of_gateways() -> None:
    """For a gateway in the root namespace, what that says to all comes after the Service's rule; what it keeps to itself, before."""
    of_service, of_root = limit(2, "*", "default"), limit(3, REVIEWS, "istio-system")
    private = limit(4, REVIEWS, "istio-system", "exportTo: ['.']")
    assert found(of_service + of_root, GATEWAY_NAME) == 2
    assert found(of_root, GATEWAY_NAME) == 3
    assert found(of_service + private, GATEWAY_NAME) == 4
    assert found(private) is None


@pytest.mark.parametrize(
    ("export_to", "default", "other", "gateway"),
    [
        ("['*']", 1, 1, 1),
        ("['.']", 1, None, None),
        ("[other]", None, 1, None),
        ("[istio-system]", None, None, 1),
        ("['.', other]", 1, 1, None),
        ("[default]", 1, None, None),
    ],
)
def test_export_to(export_to: str, default: int | None, other: int | None, gateway: int | None) -> None:
    """A rule counts in the namespaces that it is exported to."""
    text = limit(1, more=f"exportTo: {export_to}")
    assert [found(text, proxy) for proxy in ("productpage-v1", "client", GATEWAY_NAME)] == [default, other, gateway]


def test_hidden_rules_give_way() -> None:
    """Where the Service's rule is not exported to the caller, the root namespace's counts."""
    assert found(limit(1, more="exportTo: ['.']") + limit(2, namespace="istio-system"), "client") == 2


def test_selectors() -> None:
    """A rule for some workloads counts for them alone, in its own namespace; the others have the rule without a selector."""
    chosen = limit(1, more="workloadSelector: {matchLabels: {app: productpage}}", name="a")
    general = limit(2, name="b")
    assert found(chosen + general, "productpage-v1") == 1
    assert found(chosen + general, "reviews-v1") == 2
    assert found(chosen, "reviews-v1") is None
    assert (
        found(limit(1, "*", "other", "workloadSelector: {matchLabels: {app: productpage}}"), "productpage-v1") is None
    )


def test_merging() -> None:
    """Rules for one host add up: the older one's policy counts, else the newer one's; the first subset of a name counts."""
    first = destination_rule("host: reviews\nsubsets: [{name: v1, labels: {version: v1}}]", "a")
    second = limit(
        5, "reviews", more="subsets: [{name: v1, labels: {version: v9}}, {name: v2, labels: {version: v2}}]", name="b"
    )
    third = limit(6, "reviews", name="c")
    assert [found(first + second + third, subset=subset) for subset in ("", "v1", "v2")] == [5, 5, 5]
    made = config(first + second, manifests=CLIENTS)
    assert made.endpoints[f"outbound|9080|v1|{REVIEWS}"]["endpoints"][0]["load_balancing_weight"] == 1


def test_rules_with_other_exports_do_not_merge() -> None:
    """Rules for one host that are exported differently stand apart; the last that the caller sees counts."""
    private = limit(1, more="exportTo: ['.']\nsubsets: [{name: v1}]", name="a")
    public = limit(2, more="subsets: [{name: v2}]", name="b")
    names = config(private + public, manifests=CLIENTS).clusters
    assert found(private + public) == 2
    assert f"outbound|9080|v2|{REVIEWS}" in names
    assert f"outbound|9080|v1|{REVIEWS}" not in names
    assert found(private + public, "client") == 2


def test_exports_that_widen_merge_into_the_narrower() -> None:
    """A rule exported to more namespaces adds its subsets to the rule exported to fewer, as in istiod."""
    narrow = limit(1, more="exportTo: ['.']\nsubsets: [{name: v1}]", name="a")
    wide = limit(2, more="exportTo: ['.', other]\nsubsets: [{name: v2}]", name="b")
    names = config(narrow + wide, manifests=CLIENTS).clusters
    assert found(narrow + wide) == 1
    assert {f"outbound|9080|v1|{REVIEWS}", f"outbound|9080|v2|{REVIEWS}"} <= names.keys()


def test_age() -> None:
    """The oldest rule comes first, then the one whose name does; those without a time come before all."""
    old, new = "creationTimestamp: 2020-01-01T00:00:00Z", "creationTimestamp: '2021-01-01T00:00:00Z'"
    first = limit(1, name="z").replace("{name: z,", f"{{name: z, {old},")
    second = limit(2, name="a").replace("{name: a,", f"{{name: a, {new},")
    assert found(second + first) == 1
    assert found(limit(4, name="d") + limit(3, name="c")) == 3
