"""Sidecars: does the namespace ask for them, who would inject them, and has each pod its own?

Who is asked is decided by the MutatingWebhookConfigurations of the cluster; where they cannot be read, by the labels that Istio documents:
https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/#controlling-the-injection-policy
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from meshtest.meshes.kubernetes.check.finding import ERROR, OK, WARNING, Finding
from meshtest.meshes.kubernetes.check.moment import moment
from meshtest.meshes.kubernetes.check.pods import Pod
from meshtest.meshes.kubernetes.check.seen import Json, Seen, Unseen
from meshtest.meshes.kubernetes.check.selector import matches

INJECTION, REVISION, MODE = "istio-injection", "istio.io/rev", "istio.io/dataplane-mode"
INJECT, STATUS = "sidecar.istio.io/inject", "sidecar.istio.io/status"


@dataclass(frozen=True)
class Injector:
    """One webhook that puts sidecars into new pods: which namespaces and pods it is called for."""

    name: str
    namespaces: Json
    pods: Json

    def takes(self, namespace: Mapping[str, str], pod: Mapping[str, str]) -> bool:
        """Whether it is called for a pod with these labels in a namespace with those."""
        return matches(self.namespaces, namespace) and matches(self.pods, pod)


DOCUMENTED = (
    Injector(
        "istio-injection",
        {"matchLabels": {INJECTION: "enabled"}},
        {"matchExpressions": [{"key": INJECT, "operator": "NotIn", "values": ["false"]}]},
    ),
    Injector(
        "istio.io/rev of the namespace",
        {
            "matchExpressions": [
                {"key": REVISION, "operator": "Exists"},
                {"key": INJECTION, "operator": "DoesNotExist"},
            ]
        },
        {"matchExpressions": [{"key": INJECT, "operator": "NotIn", "values": ["false"]}]},
    ),
    Injector(
        "sidecar.istio.io/inject of the pod",
        {"matchExpressions": [{"key": INJECTION, "operator": "NotIn", "values": ["disabled"]}]},
        {"matchLabels": {INJECT: "true"}},
    ),
)
"""What Istio's own webhooks take, for those who may not read them."""


def injectors(configurations: Sequence[Json]) -> list[Injector]:
    """The webhooks among MutatingWebhookConfigurations by which istiod injects sidecars."""
    return [
        Injector(webhook["name"], webhook.get("namespaceSelector") or {}, webhook.get("objectSelector") or {})
        for configuration in configurations
        for webhook in configuration.get("webhooks") or ()
        if _injects(webhook)
    ]


def _injects(webhook: Json) -> bool:
    client = webhook["clientConfig"]
    path = (client.get("service") or {}).get("path") or client.get("url", "")
    return "/inject" in path and any("pods" in rule.get("resources", ()) for rule in webhook.get("rules") or ())


def asks(namespace: Json, seen: Seen[Sequence[Injector]]) -> bool:
    """Whether a pod that says nothing itself would get a sidecar in a namespace."""
    asked = DOCUMENTED if isinstance(seen, Unseen) else seen
    return any(each.takes(labels_of(namespace), {}) for each in asked)


def injection(namespace: Json, pods: Sequence[Pod], seen: Seen[Sequence[Injector]]) -> Iterator[Finding]:
    """Judge a namespace and its pods."""
    asked = DOCUMENTED if isinstance(seen, Unseen) else seen
    name, labels = namespace["metadata"]["name"], labels_of(namespace)
    yield from _labels(name, labels, asked, isinstance(seen, Unseen))
    living = [pod for pod in pods if pod.living]
    wanted = [pod for pod in living if _wanted(labels, pod, asked)]
    yield from _missing(namespace, [pod for pod in wanted if not pod.proxied])
    yield from _unasked(name, labels, [pod for pod in living if pod not in wanted and not pod.proxied], asked)
    yield from _old(name, [pod for pod in living if pod.proxied])
    if living and all(pod.proxied for pod in living):
        yield Finding(OK, f"{name} sidecars", f"each of {len(living)} pods has one")


def labels_of(namespace: Json) -> dict[str, str]:
    """The labels of a namespace, with the one that every namespace has."""
    metadata = namespace["metadata"]
    return {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}


def _labels(name: str, labels: Mapping[str, str], asked: Sequence[Injector], guessed: bool) -> Iterator[Finding]:
    subject = f"{name} namespace/{name}"
    said = ", ".join(f"{key}={labels[key]}" for key in (INJECTION, REVISION, MODE) if key in labels)
    takes = any(each.takes(labels, {}) for each in asked)
    if labels.get(MODE) == "ambient":
        remedy = f"kubectl label namespace {name} {MODE}- istio-injection=enabled, then restart its workloads"
        yield Finding(ERROR, subject, "is in ambient mode: meshtest tests sidecars", remedy)
    elif INJECTION in labels and REVISION in labels:
        remedy = f"keep one: kubectl label namespace {name} {INJECTION}-  (or {REVISION}-)"
        yield Finding(WARNING, subject, f"{said}: of the two, istio-injection counts", remedy)
    elif takes:
        according = " (by its labels; the webhooks cannot be read)" if guessed else ""
        yield Finding(OK, subject, f"asks for sidecars{according}: {said or 'by default'}")
    elif REVISION in labels or labels.get(INJECTION) == "enabled":
        remedy = "`istioctl tag list` and `kubectl get mutatingwebhookconfigurations --show-labels` show what there is"
        yield Finding(ERROR, subject, f"{said}: no webhook injects sidecars for that", remedy)
    else:
        remedy = (
            f"kubectl label namespace {name} istio-injection=enabled, then kubectl -n {name} rollout restart deployment"
        )
        message = f"does not ask for sidecars ({said or 'no label'}): rules for calls between its workloads do nothing"
        yield Finding(WARNING, subject, message, remedy)


def _wanted(labels: Mapping[str, str], pod: Pod, asked: Sequence[Injector]) -> bool:
    """Whether a pod made now would get a sidecar: a webhook is called, and istiod does not decline."""
    return not _declined(pod) and any(each.takes(labels, pod.labels) for each in asked)


def _declined(pod: Pod) -> str:
    """Why istiod itself would not inject, though asked (`injectRequired` of its pkg/kube/inject/inject.go)."""
    if pod.document["spec"].get("hostNetwork"):
        return "hostNetwork: true"
    if pod.labels.get(INJECT, pod.annotations.get(INJECT)) == "false":
        return f"{'label' if INJECT in pod.labels else 'annotation'} {INJECT}: false"
    return ""


def _missing(namespace: Json, pods: Sequence[Pod]) -> Iterator[Finding]:
    name, since = namespace["metadata"]["name"], _labelled(namespace)
    for pod in pods:
        older = since is not None and pod.created <= since  # both in whole seconds
        why = (
            f"it is older than the label of namespace {name}"
            if older
            else "the webhook was not asked when it was made, or did not answer"
        )
        remedy = f"start it anew: kubectl -n {name} {_restart(pod)}"
        if not older:
            remedy += "; if it comes back without, `istioctl experimental check-inject` says who was asked"
        yield Finding(ERROR, f"{name} pod/{pod.name}", f"has no sidecar: {why}", remedy)


def _restart(pod: Pod) -> str:
    """How to have a pod made anew; one that nothing makes has to be applied again."""
    owner = next(iter(pod.document["metadata"].get("ownerReferences") or ()), None)
    if owner is None:
        return f"delete pod {pod.name}, and apply it again"
    if owner["kind"] == "ReplicaSet":
        return f"rollout restart deployment {owner['name'].rpartition('-')[0] or owner['name']}"
    return f"delete pod {pod.name}"


def _labelled(namespace: Json) -> datetime | None:
    """When the labels that ask for sidecars were last set, by the managers of the namespace's fields; None if it is not kept."""
    times = [
        moment(each["time"])
        for each in namespace["metadata"].get("managedFields") or ()
        if each.get("time") and {f"f:{INJECTION}", f"f:{REVISION}"} & set(_fields(each))
    ]
    return max(times, default=None)


def _fields(manager: Json) -> Mapping[str, Json]:
    fields = manager.get("fieldsV1") or {}
    return (fields.get("f:metadata") or {}).get("f:labels") or {}


def _unasked(name: str, labels: Mapping[str, str], pods: Sequence[Pod], asked: Sequence[Injector]) -> Iterator[Finding]:
    """Pods that opted out in a namespace that asks; where it does not ask, the namespace's own finding says all."""
    if not any(each.takes(labels, {}) for each in asked):
        return
    for pod in pods:
        why = _declined(pod) or "its labels"
        message = f"has no sidecar, by {why}: rules for calls from it do nothing, and what arrives there is not seen"
        remedy = f"take that away and start it anew (kubectl -n {name} {_restart(pod)}), or keep it out of tests"
        yield Finding(WARNING, f"{name} pod/{pod.name}", message, remedy)


def _old(name: str, pods: Sequence[Pod]) -> Iterator[Finding]:
    """Sidecars of several revisions in one namespace: those of the revision that no longer is asked for stay until a restart."""
    revisions = {pod.name: _revision(pod) for pod in pods}
    found = sorted({each for each in revisions.values() if each})
    if len(found) > 1:
        counts = ", ".join(f"{list(revisions.values()).count(each)} of {each}" for each in found)
        remedy = f"kubectl -n {name} rollout restart deployment brings all to the revision that the namespace asks for"
        yield Finding(WARNING, f"{name} sidecars", f"were injected by several revisions of Istio: {counts}", remedy)


def _revision(pod: Pod) -> str:
    """The revision that injected a pod's sidecar."""
    try:
        return str(json.loads(pod.annotations.get(STATUS, "{}")).get("revision", ""))
    except (ValueError, AttributeError):
        return ""


def injected(namespace: str, answer: Json | str) -> Finding:
    """Whether a pod would get a sidecar now: what the API server made of one in a dry run, or its words when it refused."""
    subject = f"{namespace} injection"
    if isinstance(answer, str):
        remedy = "see the webhooks above, and `kubectl get mutatingwebhookconfigurations`"
        return Finding(ERROR, subject, f"a new pod is refused (dry run): {answer}", remedy)
    if not Pod(answer).proxied:
        remedy = f"`istioctl experimental check-inject -n {namespace} -l app=meshtest` says which webhook is asked"
        return Finding(ERROR, subject, "a new pod gets no sidecar (dry run), though the namespace asks for it", remedy)
    return Finding(OK, subject, "a new pod gets a sidecar (dry run)")
