"""Deployments and pods: are they there, ready, and without restarts?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from meshtest.meshes.kubernetes.check.finding import ERROR, OK, WARNING, Finding
from meshtest.meshes.kubernetes.check.pods import Pod, latest_warning
from meshtest.meshes.kubernetes.check.seen import Json
from meshtest.meshes.kubernetes.check.selector import matches


def workloads(
    namespace: str, controllers: Sequence[Json], pods: Sequence[Pod], events: Sequence[Json], now: datetime
) -> Iterator[Finding]:
    """Each Deployment, DaemonSet and StatefulSet with its pods, then those pods that have none of these above them."""
    alone = [pod for pod in pods if pod.living]
    for controller in controllers:
        selector = controller["spec"]["selector"]
        own = [pod for pod in alone if matches(selector, pod.labels)]
        alone = [pod for pod in alone if pod not in own]
        yield from _controller(namespace, controller, own, events, now)
    for pod in alone:
        yield _pod(pod, events, now)


def _controller(
    namespace: str, controller: Json, pods: Sequence[Pod], events: Sequence[Json], now: datetime
) -> Iterator[Finding]:
    kind, name = controller["kind"].lower(), controller["metadata"]["name"]
    subject = f"{namespace} {kind}/{name}"
    wanted, ready = _counts(controller)
    logs = f"`kubectl -n {namespace} describe {kind} {name}` and `kubectl -n {namespace} get pods` say more"
    if ready < wanted:
        why = "; ".join(dict.fromkeys(_troubles(controller, pods, events)))
        yield Finding(WARNING if ready else ERROR, subject, f"{ready} of {wanted} ready: {why}", logs)
    elif not wanted:
        remedy = f"kubectl -n {namespace} scale {kind} {name} --replicas=1"
        yield Finding(WARNING, subject, "scaled to 0", remedy)
    elif _rolling(controller, wanted):
        remedy = f"wait for it: kubectl -n {namespace} rollout status {kind} {name}"
        yield Finding(WARNING, subject, f"{ready} of {wanted} ready, a rollout is going on", remedy)
    restarted = [(pod, why) for pod in pods if (why := pod.restarted(now))]
    for pod, why in restarted:
        remedy = f"kubectl -n {namespace} logs {pod.name} --previous --all-containers"
        yield Finding(WARNING, f"{namespace} pod/{pod.name}", f"{pod.restarts} restarts: {why}", remedy)
    if wanted and ready >= wanted and not restarted and not _rolling(controller, wanted):
        restarts = sum(pod.restarts for pod in pods)
        yield Finding(OK, subject, f"{ready} of {wanted} ready, {restarts or 'no'} restarts")


def _counts(controller: Json) -> tuple[int, int]:
    """How many pods are wanted, and how many are ready."""
    status = controller.get("status") or {}
    if controller["kind"] == "DaemonSet":
        return int(status.get("desiredNumberScheduled") or 0), int(status.get("numberReady") or 0)
    wanted = controller["spec"].get("replicas")
    return (1 if wanted is None else int(wanted)), int(status.get("readyReplicas") or 0)


def _rolling(controller: Json, wanted: int) -> bool:
    """Whether pods of an older template are still about, or the change has not been noticed."""
    status = controller.get("status") or {}
    updated = status.get("updatedReplicas", status.get("updatedNumberScheduled", 0)) or 0
    noticed = status.get("observedGeneration", 0) >= controller["metadata"].get("generation", 0)
    return not noticed or updated < wanted or (status.get("replicas") or 0) > max(wanted, updated)


def _troubles(controller: Json, pods: Sequence[Pod], events: Sequence[Json]) -> Iterator[str]:
    """Why pods are not ready or not there: what the controller says itself stands in its conditions."""
    unready = [pod for pod in pods if not pod.ready]
    yield from (pod.trouble(events) for pod in unready)
    if unready:
        return
    for each in (controller.get("status") or {}).get("conditions") or ():
        if each["type"] == "ReplicaFailure" and each["status"] == "True":
            yield each.get("message") or each.get("reason", "")
    yield latest_warning(events, controller["kind"], controller["metadata"]["name"]) or "its pods are being made"


def _pod(pod: Pod, events: Sequence[Json], now: datetime) -> Finding:
    subject = f"{pod.namespace} pod/{pod.name}"
    if not pod.ready:
        remedy = f"`kubectl -n {pod.namespace} describe pod {pod.name}` says more"
        return Finding(WARNING, subject, f"not ready: {pod.trouble(events)}", remedy)
    why = pod.restarted(now)
    if why:
        remedy = f"kubectl -n {pod.namespace} logs {pod.name} --previous --all-containers"
        return Finding(WARNING, subject, f"{pod.restarts} restarts: {why}", remedy)
    return Finding(OK, subject, f"ready, {pod.restarts or 'no'} restarts")
