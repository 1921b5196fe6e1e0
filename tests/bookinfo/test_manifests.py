"""bookinfo.yaml: the Kubernetes resources of the sample fit together."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

RESOURCES: list[dict[str, Any]] = list(
    yaml.safe_load_all(files("meshtest.bookinfo").joinpath("bookinfo.yaml").read_text(encoding="utf-8"))
)


def named(kind: str) -> dict[str, dict[str, Any]]:
    return {resource["metadata"]["name"]: resource for resource in RESOURCES if resource["kind"] == kind}


def test_what_there_is() -> None:
    """Four Services with a ServiceAccount each, and six Deployments."""
    services = {"productpage", "details", "ratings", "reviews"}
    assert set(named("Service")) == services
    assert set(named("ServiceAccount")) == {f"bookinfo-{service}" for service in services}
    assert set(named("Deployment")) == {
        *("details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3", "productpage-v1")
    }
    assert len(RESOURCES) == 14
    assert all("namespace" not in resource["metadata"] for resource in RESOURCES)


def test_services_select_their_deployments() -> None:
    """A Service selects the pods of its app by the port named http, which its containers open."""
    for name, service in named("Service").items():
        assert service["spec"] == {"ports": [{"port": 9080, "name": "http"}], "selector": {"app": name}}


def test_deployments_are_consistent() -> None:
    """Name, labels, selector, template, account, image and port agree."""
    for name, deployment in named("Deployment").items():
        app, _, version = name.partition("-")
        labels = {"app": app, "version": version}
        spec, template = deployment["spec"], deployment["spec"]["template"]
        assert (
            deployment["metadata"]["labels"]
            == spec["selector"]["matchLabels"]
            == template["metadata"]["labels"]
            == labels
        )
        assert template["spec"]["serviceAccountName"] == f"bookinfo-{app}"
        assert spec["replicas"] == 1
        [container] = template["spec"]["containers"]
        assert container["image"].startswith(f"docker.io/istio/examples-bookinfo-{app}-{version}:")
        assert container["name"] == app
        assert container["ports"] == [{"containerPort": 9080}]
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        assert mounted == {volume["name"] for volume in template["spec"].get("volumes", [])}
