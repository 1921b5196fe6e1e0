"""Objects of a cluster, as far as the checks look at them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from meshtest.meshes.kubernetes.check.pods import Pod

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def ago(**parts):
    """A moment before now, as Kubernetes writes it."""
    return (NOW - timedelta(**parts)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(
    name="one",
    *,
    ready=True,
    sidecar=True,
    labels=None,
    annotations=None,
    created=None,
    spec=None,
    containers=(),
    **status,
):
    """A pod of namespace `shop`."""
    names = ["app", *(["istio-proxy"] if sidecar else [])]
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}, *status.pop("conditions", ())]
    return Pod(
        {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "labels": labels or {},
                "annotations": annotations or {},
                "creationTimestamp": created or ago(hours=1),
            },
            "spec": {"containers": [{"name": each} for each in names], **(spec or {})},
            "status": {"phase": "Running", "conditions": conditions, "containerStatuses": list(containers), **status},
        }
    )


def deployment(name="web", wanted=1, ready=1, kind="Deployment", **status):
    """A Deployment whose pods have the label `app` with its name."""
    return {
        "kind": kind,
        "metadata": {"name": name, "generation": 2},
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": name}}, "template": {}},
        "status": {
            "observedGeneration": 2,
            "readyReplicas": ready,
            "updatedReplicas": wanted,
            "replicas": wanted,
            **status,
        },
    }


def event(name, message, kind="Pod", **parts):
    """A Warning about something."""
    return {
        "type": "Warning",
        "reason": "Failed",
        "message": message,
        "involvedObject": {"kind": kind, "name": name},
        "lastTimestamp": ago(**parts),
        "metadata": {},
    }


def told(findings):
    """Severity, subject and message."""
    return [(each.severity, each.subject, each.message) for each in findings]
