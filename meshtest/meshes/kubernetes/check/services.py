"""Services: which pods are behind one, and to which of their ports it leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshtest.meshes.kubernetes.check.finding import ERROR, Finding
from meshtest.meshes.kubernetes.check.pods import Pod
from meshtest.meshes.kubernetes.check.seen import Json
from meshtest.meshes.kubernetes.check.selector import matches

HEALTH = 15021
"""The port at which a gateway says whether it is ready: https://istio.io/latest/docs/ops/deployment/application-requirements/"""


def behind(service: Json | None, pods: Sequence[Pod]) -> list[Pod]:
    """The living pods that a Service selects; none for one without a selector, or for none."""
    selector = service["spec"].get("selector") if service else None
    return [pod for pod in pods if pod.living and matches({"matchLabels": selector}, pod.labels)] if selector else []


def target_port(service: Json, port: int, pod: Pod) -> int | None:
    """The port of a pod to which a port of a Service leads; None if the Service has no such port, or the pod none of that name."""
    for each in service["spec"].get("ports") or ():
        if each["port"] == port:
            target = each.get("targetPort", port)
            return target if isinstance(target, int) else _named(pod, target)
    return None


def _named(pod: Pod, name: str) -> int | None:
    ports = [port for each in pod.document["spec"]["containers"] for port in each.get("ports") or ()]
    return next((int(port["containerPort"]) for port in ports if port.get("name") == name), None)


def gateway(namespace: str, name: str, service: Json | None, pods: Sequence[Pod]) -> Iterator[Finding]:
    """Whether the ingress gateway's Service is there and leads to a pod that is ready."""
    subject = f"{namespace} service/{name}"
    if service is None:
        remedy = "name it (`meshtest check --gateway NAMESPACE/SERVICE`), or install one: https://istio.io/latest/docs/setup/additional-setup/gateway/"
        yield Finding(ERROR, subject, "is not there: it is taken to be the ingress gateway", remedy)
        return
    found = behind(service, pods)
    if not any(pod.ready for pod in found):
        selector = service["spec"].get("selector")
        remedy = f"kubectl -n {namespace} get pods --show-labels; the Service selects {selector}"
        count = f"{len(found)} pods, none of them ready" if found else "no pod"
        yield Finding(ERROR, subject, f"leads to {count}: nothing enters the mesh", remedy)
