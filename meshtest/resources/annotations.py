"""Annotations that Istio reads on its own resources, and when it refuses them (`validateMetadata` in `pkg/config/validation`)."""

from __future__ import annotations

from meshtest.resources.resource import Resource
from meshtest.resources.schema import Report

DRY_RUN = "istio.io/dry-run"

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_REJECTED = (
    "internal.istio.io/webhook-always-reject",
    "internal.istio.io/parents",
    "internal.istio.io/parent-namespace",
)


def dry_run(resource: Resource) -> bool:
    """Whether an AuthorizationPolicy is only tried: what it would have decided is counted, and nothing is enforced."""
    return resource.annotations.get(DRY_RUN) in _TRUE


def check_annotations(resource: Resource, report: Report) -> None:
    """Report what istiod refuses; it does not look at the Gateway API's kinds."""
    annotations = resource.body["metadata"].get("annotations")
    if not isinstance(annotations, dict) or not resource.group.endswith("istio.io"):
        return
    for key in _REJECTED:
        if key in annotations:
            report(("metadata", "annotations", key), "is Istio's own: take it away")
    if DRY_RUN in annotations:
        _check_dry_run(resource, annotations[DRY_RUN], report)


def _check_dry_run(resource: Resource, value: object, report: Report) -> None:
    at = ("metadata", "annotations", DRY_RUN)
    spec = resource.body.get("spec")
    action = spec.get("action", "ALLOW") if isinstance(spec, dict) else "ALLOW"
    if resource.kind != "AuthorizationPolicy":
        report(at, "is for AuthorizationPolicies only: take it away")
    elif action not in ("ALLOW", "DENY"):
        report(at, f"is for policies of action ALLOW and DENY only; this one's is {action}")
    elif isinstance(value, str) and value not in (*_TRUE, *_FALSE):
        report(at, f'must be "true" or "false"; this is {value!r}')
