"""Which Services lead to a pod while it is ready, and which pods EndpointSlices say to be: told from documents."""

from __future__ import annotations

from typing import Any

from meshtest.meshes.kubernetes.readiness import ready_pods, selecting

REVIEWS = {"app": "reviews", "version": "v2"}


def service(name: str, selector: dict[str, str] | None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {**({"selector": selector} if selector is not None else {}), **spec}}


def endpoint(pod: str | None, **conditions: bool | None) -> dict[str, Any]:
    target = {"targetRef": {"kind": "Pod", "name": pod}} if pod else {}
    return {"addresses": ["10.0.0.1"], **({"conditions": conditions} if conditions else {}), **target}


def slices(service: str, *endpoints: dict[str, Any]) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service} if service else {}
    return {"metadata": {"name": f"{service}-x", "labels": labels}, "endpoints": list(endpoints) or None}


def test_services_of_a_pod() -> None:
    """Those whose selector its labels have; one without a selector, or that publishes pods which are not ready, says nothing."""
    services = [
        service("all", {"app": "reviews"}),
        service("two", REVIEWS),
        service("three", {"app": "reviews", "version": "v3"}),
        service("manual", None),
        service("nothing", {}),
        service("headless", {"app": "reviews"}, clusterIP="None"),
        service("any", {"app": "reviews"}, publishNotReadyAddresses=True),
    ]
    assert selecting(services, REVIEWS) == ["all", "two", "headless"]


def test_ready_pods() -> None:
    """Those of the Service's slices, of which there may be several, that are not said to be unready."""
    found = [
        slices("reviews", endpoint("a", ready=True), endpoint("b", ready=False), endpoint(None, ready=True)),
        slices(
            "reviews",
            endpoint("c"),
            endpoint("d", ready=None),
            endpoint("e", ready=False, serving=True, terminating=True),
        ),
        slices("ratings", endpoint("f", ready=True)),
        slices("reviews"),
        slices("", endpoint("g", ready=True)),
    ]
    assert ready_pods(found, "reviews") == {"a", "c", "d"}
    assert ready_pods(found, "details") == set()
