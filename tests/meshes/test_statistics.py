"""Statistics and hosts as Envoy's admin interface gives them, without processes."""

from __future__ import annotations

import json
import re
from collections import Counter
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.meshes.statistics import Change, expression, hosts, numbers

OVERFLOW = "cluster.outbound|9080||reviews.default.svc.cluster.local;.upstream_rq_pending_overflow"


@given(st.text("ab.|*?", max_size=8), st.text("ab.|", max_size=8))
def test_globs(pattern: str, name: str) -> None:
    """`*` and `?` mean what they mean in a shell, all else itself."""
    assert bool(re.match(expression(pattern), name)) == fnmatchcase(name, pattern)


def test_numbers() -> None:
    """Counters and gauges count; texts and histograms are something else."""
    stats = [{"name": "a", "value": 3}, {"name": "text", "value": "3"}, {"histograms": {"supported_quantiles": []}}]
    assert numbers(json.dumps({"stats": stats})) == {"a": 3}


def test_a_change_is_live_until_it_ends() -> None:
    """Differences by name or glob; what is made later counts from 0."""
    now = Counter({"a.total": 5, "b.total": 1})
    change = Change(("*.total", OVERFLOW), now.copy)
    assert (change["a.total"], change[OVERFLOW], dict(change)) == (0, 0, {})
    now.update({"a.total": 2, OVERFLOW: 4})
    assert (change["a.total"], change["*.total"], change["*overflow"]) == (2, 2, 4)
    change.end()
    now["a.total"] += 1
    assert dict(change) == {"a.total": 2, OVERFLOW: 4}
    assert str(change) == f"a.total +2, {OVERFLOW} +4"
    with pytest.raises(KeyError, match="is not watched"):
        change["a.active"]


def clusters(*names: str, **health: object) -> str:
    """What `/clusters?format=json` says of clusters with one host each."""
    address = {"socket_address": {"address": "10.0.0.1", "port_value": 80}}
    stats = [{"name": "rq_total", "value": "7"}, {"name": "cx_active", "type": "GAUGE"}]
    host = {
        "address": address,
        "stats": stats,
        "health_status": {"eds_health_status": "HEALTHY", **health},
        "weight": 2,
    }
    return json.dumps({"cluster_statuses": [{"name": name, "host_statuses": [host]} for name in names]})


REVIEWS = "reviews.default.svc.cluster.local"


def test_hosts_by_service_and_subset() -> None:
    """A Service by its short or whole name; all subsets, one, or none; or a cluster by its own name."""
    said = clusters(f"outbound|9080||{REVIEWS}", f"outbound|9080|v1|{REVIEWS}", "inbound|9080||", "PassthroughCluster")
    for host, subset, found in (
        ("reviews", None, 2),
        (REVIEWS, "v1", 1),
        ("reviews.default", "", 1),
        ("inbound|9080||", None, 1),
    ):
        assert len(hosts(said, "gateway", host, subset, {})) == found
    (host,) = hosts(said, "gateway", "reviews", "v1", {"10.0.0.1:80": "reviews-v1-x"})
    assert (host.instance, host.healthy, host.weight, host.stats) == (
        "reviews-v1-x",
        True,
        2,
        {"rq_total": 7, "cx_active": 0},
    )
    other = clusters(f"outbound|9080||{REVIEWS}", "outbound|9080||reviews.shop.svc.cluster.local")
    for host, namespace, found in (
        ("reviews", "", 2),
        ("reviews", "shop", 1),
        ("reviews", "elsewhere", 2),
        ("reviews.default", "shop", 1),
    ):
        assert len(hosts(other, "gateway", host, None, {}, namespace)) == found
    with pytest.raises(ValueError, match="gateway has no cluster for review; did you mean 'reviews'"):
        hosts(said, "gateway", "review", None, {})
    with pytest.raises(ValueError, match="no cluster for reviews v7"):
        hosts(said, "gateway", "reviews", "v7", {})


def test_why_a_host_gets_no_requests() -> None:
    """Flags are Envoy's; a status by discovery is one too."""
    (host,) = hosts(clusters("a", failed_outlier_check=True, failed_active_health_check=True), "p", "a", None, {})
    assert (host.healthy, host.flags) == (False, ("failed_outlier_check", "failed_active_hc"))
    (drained,) = hosts(clusters("a", eds_health_status="DRAINING"), "p", "a", None, {})
    assert drained.flags == ("eds_draining",)
