"""The EnvoyFilter that makes a cluster's proxies log in detail."""

from meshtest.meshes.kubernetes.access_log_filter import access_log_filter


def test_whose_proxies() -> None:
    """All of a namespace; in the root namespace, where that would be all of the mesh, one for each kind of gateway."""
    shop, ingress = access_log_filter("shop"), access_log_filter("istio-system", "ingressgateway")
    assert "workloadSelector" not in shop["spec"]
    assert ingress["spec"]["workloadSelector"] == {"labels": {"istio": "ingressgateway"}}
    assert ingress["spec"]["configPatches"] == shop["spec"]["configPatches"]
    assert ingress["metadata"] == {"name": "meshtest-access-log-ingressgateway", "namespace": "istio-system"}
