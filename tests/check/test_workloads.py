"""Deployments and pods, judged."""

from __future__ import annotations

from meshtest.meshes.kubernetes.check.workloads import workloads
from tests.check.documents import NOW, ago, deployment, event, pod, told


def judged(controllers=(), pods=(), events=()):
    return told(workloads("shop", controllers, pods, events, NOW))


def waiting(reason, **last):
    state = {"name": "app", "restartCount": 4, "state": {"waiting": {"reason": reason}}}
    return {**state, "lastState": {"terminated": {**last, "finishedAt": ago(minutes=2)}} if last else {}}


def ended(**parts):
    last = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": ago(**parts)}
    return {"name": "app", "restartCount": 2, "state": {"running": {}}, "lastState": {"terminated": last}}


def test_as_it_must_be():
    """Its pods are not told one by one; one that has no Deployment is."""
    own, other = pod("web-1", labels={"app": "web"}), pod("lone")
    assert judged([deployment()], [own, other]) == [
        ("ok", "shop deployment/web", "1 of 1 ready, no restarts"),
        ("ok", "shop pod/lone", "ready, no restarts"),
    ]


def test_none_ready():
    """An error, with what the container waits for and how it ended."""
    crashing = pod("web-1", ready=False, labels={"app": "web"}, containers=[waiting("CrashLoopBackOff", exitCode=3)])
    (first, second) = judged([deployment(ready=0)], [crashing])
    assert first == ("error", "shop deployment/web", "0 of 1 ready: app waits: CrashLoopBackOff (Error, exit status 3)")
    assert second == ("warning", "shop pod/web-1", "4 restarts: app ended 2 min ago (Error, exit status 3)")


def test_some_ready():
    """A warning, with the latest event about the pod that is not, and no other's."""
    pods = [pod("web-1", labels={"app": "web"}), pod("web-2", ready=False, labels={"app": "web"})]
    events = [
        event("web-2", "old", minutes=9),
        event("web-2", "probe failed", minutes=1),
        event("web-1", "no", seconds=1),
    ]
    assert judged([deployment(wanted=2)], pods, events) == [
        ("warning", "shop deployment/web", "1 of 2 ready: Failed: probe failed")
    ]


def test_not_scheduled():
    """The scheduler's words."""
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    pending = pod("web-1", ready=False, labels={"app": "web"}, conditions=[condition])
    assert judged([deployment(ready=0)], [pending])[0][2] == "0 of 1 ready: not scheduled: 0/1 nodes are available"


def test_no_pods_at_all():
    """What the controller says itself: a quota, say."""
    condition = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    found = judged([deployment(ready=0, conditions=[condition])], [], [event("web", "x", kind="Deployment", minutes=1)])
    assert found == [("error", "shop deployment/web", "0 of 1 ready: exceeded quota; Failed: x")]


def test_scaled_to_nothing():
    """A warning: somebody meant it."""
    assert judged([deployment(wanted=0, ready=0)]) == [("warning", "shop deployment/web", "scaled to 0")]


def test_a_rollout():
    """All ready, and not all new; or not even noticed."""
    for status in ({"updatedReplicas": 1}, {"observedGeneration": 1}, {"replicas": 3}):
        ((severity, _, message),) = judged([deployment(wanted=2, ready=2, **status)])
        assert (severity, message) == ("warning", "2 of 2 ready, a rollout is going on")


def test_restarts():
    """Those of the last ten minutes are told; older ones are counted."""
    recent, old = (pod("web-1", labels={"app": "web"}, containers=[ended(minutes=each)]) for each in (9, 11))
    assert judged([deployment()], [recent]) == [
        ("warning", "shop pod/web-1", "2 restarts: app ended 9 min ago (OOMKilled, exit status 137)")
    ]
    assert judged([deployment()], [old]) == [("ok", "shop deployment/web", "1 of 1 ready, 2 restarts")]


def test_finished_and_going_pods_are_left_out():
    """They are not meant to be ready."""
    going = pod("going", ready=False)
    going.document["metadata"]["deletionTimestamp"] = ago(seconds=3)
    assert judged([], [pod("done", ready=False, phase="Succeeded"), going]) == []


def test_daemon_sets_count_otherwise():
    """By nodes."""
    status = {"desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 3, "observedGeneration": 2}
    ok = {**deployment(kind="DaemonSet"), "status": status}
    assert judged([ok]) == [("ok", "shop daemonset/web", "3 of 3 ready, no restarts")]
    assert judged([{**ok, "status": {**status, "numberReady": 2}}])[0][0] == "warning"
