"""The EnvoyFilter that makes a cluster's proxies log in detail."""

import json

from meshtest.meshes.kubernetes.access_log_filter import access_log_filter, logged_in_detail


def test_whose_proxies() -> None:
    """All of a namespace; in the root namespace, where that would be all of the mesh, one for each kind of gateway."""
    shop, ingress = access_log_filter("shop"), access_log_filter("istio-system", "ingressgateway")
    assert "workloadSelector" not in shop["spec"]
    assert ingress["spec"]["workloadSelector"] == {"labels": {"istio": "ingressgateway"}}
    assert ingress["spec"]["configPatches"] == shop["spec"]["configPatches"]
    assert ingress["metadata"] == {"name": "meshtest-access-log-ingressgateway", "namespace": "istio-system"}


def test_what_drains_does_not_count() -> None:
    """A listener of a moment ago may have logged otherwise; one that waits for its certificate counts, one of TCP alone does not."""
    plain, detailed = (
        {"listener": {"filters": ["HttpConnectionManager", field]}} for field in ("", "upstream_first_byte")
    )
    assert logged_in_detail(_dump(active_state=detailed, draining_state=plain))
    assert logged_in_detail(_dump(active_state=plain, warming_state=detailed))
    assert not logged_in_detail(_dump(active_state=plain, draining_state=detailed))
    assert logged_in_detail(_dump(active_state={"listener": {"filters": ["TcpProxy"]}}))
    assert logged_in_detail("{}"), "where nothing listens nothing is logged"


def _dump(**states: object) -> str:
    return json.dumps({"configs": [{"name": "0.0.0.0_8080", **states}]})
