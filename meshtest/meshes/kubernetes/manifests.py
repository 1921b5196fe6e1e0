"""The manifests of stand-ins in a cluster: those of the workloads that they stand for, with another image and what it needs. Pure.

The same files describe a local mesh. What is no stand-in (gateways, nodes, images of others) is left out.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meshtest.bookinfo.ports import PROBE
from meshtest.errors import ResourceError
from meshtest.meshes.stand_in import BOOKINFO, ECHO, LINES, certified, containers, kind_of, prefix, speech
from meshtest.resources.document import parse
from meshtest.resources.resource import Resource
from meshtest.topology.instance import Instance
from meshtest.topology.protocol import Protocol
from meshtest.topology.service import Service
from meshtest.topology.topology import Topology, topology
from meshtest.translate.inbound_port import InboundPort, inbound_ports
from meshtest.translate.snapshot import Proxy, Snapshot

Json = dict[str, Any]

IMAGE = "localhost/meshtest-bookinfo:1"
_OURS = ("meshtest-bookinfo", "tcp-echo-server", *(f"examples-bookinfo-{each}-" for each in BOOKINFO))
_OWNERS = ("Deployment", "StatefulSet", "Pod")
_LOCALITY, _INJECT, _PROXY = "istio-locality", "sidecar.istio.io/inject", "proxy.istio.io/config"
# One worker thread, with which a circuit breaker's limits are exact; connections that came in before a policy changed are let go at once;
# and all of Envoy's statistics: Istio's sidecars keep few, none of requests, limits or ejections.
_AS_LOCALLY = {"concurrency": 1, "drainDuration": "1s", "proxyStatsMatcher": {"inclusionRegexps": [".*"]}}
_USER = 1000
_UNPRIVILEGED = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
_PRIVILEGED_PORTS = 1024
# What of a container is not the stand-in's: how another program is started, and when it is thought to be alive.
_NOT_OURS = ("command", "args", "livenessProbe", "startupProbe", "lifecycle", "workingDir")
_FIELDS = {
    "MESHTEST_POD": "metadata.name",
    "MESHTEST_NAMESPACE": "metadata.namespace",
    "MESHTEST_APP": "metadata.labels['app']",
    "MESHTEST_VERSION": "metadata.labels['version']",
}


@dataclass(frozen=True)
class Wishes:
    """How they are to be made: the image, its `imagePullPolicy`, a namespace for what names none, and whether pods say where they are.

    `localities`: by the label `istio-locality`, which counts before a node's; a cluster need not have the nodes of the manifests then.
    """

    image: str = IMAGE
    pull_policy: str = ""
    namespace: str = ""
    localities: bool = False


class Manifests:
    """Those for the resources that describe a topology. WrongResources for one that is not understood."""

    def __init__(self, found: Iterable[Resource], wishes: Wishes) -> None:
        self._found, self._wishes = list(found), wishes
        self._topology: Topology = topology(self._found)
        self._snapshot = Snapshot(self._topology, ())

    @cached_property
    def _instances(self) -> dict[tuple[str, str, str, str], Instance]:
        """The (first) instance of each owner for which there is a stand-in."""
        found: dict[tuple[str, str, str, str], Instance] = {}
        for each in self._topology.instances:
            if not each.gateway and any(map(_is_ours, containers(each))):
                found.setdefault(each.resource.key, each)
        return found

    @cached_property
    def left_out(self) -> list[Resource]:
        """Workloads that no stand-in plays: gateways, and those with images of others."""
        return [each for each in self._found if each.kind in _OWNERS and each.key not in self._instances]

    def objects(self) -> list[Json]:
        """ServiceAccounts, Services and workloads, in this order."""
        instances = list(self._instances.values())
        services = [each for each in self._topology.services if any(_leads(each, to) for to in instances)]
        owners = [self._owner(each) for each in instances]
        return [*self._accounts(instances), *(self._placed(each.resource.body) for each in services), *owners]

    def _accounts(self, instances: Iterable[Instance]) -> list[Json]:
        given = {(each.namespace, each.name): each.body for each in self._found if each.kind == "ServiceAccount"}
        wanted = dict.fromkeys((each.namespace, each.account) for each in instances if each.account != "default")
        return [self._placed(given.get(each) or _account(*each)) for each in wanted]

    def _placed(self, body: Mapping[str, Any]) -> Json:
        """A copy, in the namespace that it is wished to be in if it names none."""
        out: Json = copy.deepcopy(dict(body))
        if self._wishes.namespace and not out["metadata"].get("namespace"):
            out["metadata"]["namespace"] = self._wishes.namespace
        return out

    def _owner(self, instance: Instance) -> Json:
        out = self._placed(instance.resource.body)
        pod = out if instance.resource.kind == "Pod" else out["spec"]["template"]
        pod.setdefault("metadata", {})
        self._label(pod["metadata"], instance)
        spec = pod["spec"]
        spec.pop("nodeName", None)
        first = next(each for each in spec["containers"] if _is_ours(each))
        given = self._given(instance)
        self._stand(first, given)
        if any(port < _PRIVILEGED_PORTS for _, port, _ in given["listen"]):
            spec.setdefault("securityContext", {}).setdefault("sysctls", []).append(_UNPRIVILEGED)
        return out

    def _label(self, metadata: Json, instance: Instance) -> None:
        labels = metadata["labels"] = {_INJECT: "true", **(metadata.get("labels") or {})}
        annotations = metadata["annotations"] = {**(metadata.get("annotations") or {})}
        annotations[_PROXY] = _as_locally(annotations.get(_PROXY) or "{}", instance)
        where = self._topology.locality(instance)
        if self._wishes.localities and where:
            labels[_LOCALITY] = where.label.rstrip("/").replace("/", ".")

    def _given(self, instance: Instance) -> Json:
        """What the pod's environment is to say of it, as in a plan."""
        kind, ports = kind_of(instance), inbound_ports(self._snapshot, Proxy(instance))
        return {
            "kind": ECHO if kind == LINES else kind,
            "workload": instance.workload,
            "listen": [["0.0.0.0", number, said] for number, said in _listens(instance, ports).items()],
            "prefix": prefix(instance),
            "certified": [_in_pods_namespace(each, instance) for each in certified(instance, ports)],
        }

    def _stand(self, container: Json, given: Json) -> None:
        """Makes a container the stand-in's."""
        for name in _NOT_OURS:
            container.pop(name, None)
        container["image"] = self._wishes.image
        container.pop("imagePullPolicy", None)
        if self._wishes.pull_policy:
            container["imagePullPolicy"] = self._wishes.pull_policy
        said = {"name": "MESHTEST_STAND_IN", "value": json.dumps(given)}
        fields = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _FIELDS.items()]
        container["env"] = [
            *(container.get("env") or []),
            *fields,
            said,
        ]  # in this order: the last refers to those before
        container["readinessProbe"] = _probe()
        container["securityContext"] = {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        container.setdefault("resources", {"requests": {"cpu": "10m", "memory": "40Mi"}})


def _as_locally(given: str, instance: Instance) -> str:
    """A sidecar's own configuration (`proxy.istio.io/config`), so that it keeps all statistics unless it says which."""
    found = parse(given, f"the annotation {_PROXY} of {instance.resource} at {instance.resource.where()}")
    config = found[0].value if found else {}
    if not isinstance(config, dict):
        raise ResourceError(
            f"{instance.resource.where()}: the annotation {_PROXY} of {instance.resource} is no ProxyConfig: {given!r}"
        )
    return json.dumps({**_AS_LOCALLY, **config})


def _is_ours(container: Mapping[str, Any]) -> bool:
    image = str(container.get("image", "")).rpartition("/")[2]
    return image.startswith(_OURS)


def _leads(service: Service, instance: Instance) -> bool:
    return service.namespace == instance.namespace and service.selects(instance.labels)


def _account(namespace: str, name: str) -> Json:
    """A ServiceAccount that a pod names and no manifest has; in a namespace that was named, not in that of whoever applies it."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace != "default" else {})
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _in_pods_namespace(host: str, instance: Instance) -> str:
    """A host of a Service, of whose namespace only the pod will know: Kubernetes puts in what the variable says."""
    name, dot, rest = host.partition(".")
    namespace, more, domain = rest.partition(".")
    known = instance.resource.body["metadata"].get("namespace")
    return f"{name}{dot}$(MESHTEST_NAMESPACE){more}{domain}" if namespace == instance.namespace and not known else host


def _listens(instance: Instance, ports: Iterable[InboundPort]) -> dict[int, str]:
    """What is spoken at each port: as its Service says, else as first bytes tell."""
    kind = kind_of(instance)
    out = {each.number: speech(kind, each.protocol) for each in ports}
    for container in containers(instance):
        for port in container.get("ports") or [] if _is_ours(container) else []:
            if port.get("protocol") != "UDP":
                out.setdefault(port["containerPort"], speech(kind, Protocol.SNIFFED))
    return dict(sorted(out.items()))


def _probe() -> Json:
    """At once when it says no; not because a busy node answers late."""
    return {"httpGet": {"path": "/", "port": PROBE}, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 10}
