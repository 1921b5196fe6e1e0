"""The instances of workloads in a cluster, for tests to say how they behave: stand-ins in pods (`meshtest bookinfo`)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Protocol

from meshtest.bookinfo.ports import COMMANDS
from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.admin import ask
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.channel import Channel
from meshtest.meshes.kubernetes.channels import Channels
from meshtest.meshes.kubernetes.readiness import Readiness, Told
from meshtest.meshes.pods import Pods, instances
from meshtest.meshes.stand_in import containers
from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology

Json = dict[str, Any]

_STAND_IN = "MESHTEST_STAND_IN"
_UNDER_WAY = "/stats?filter=%5E%28cluster%7Chttp%29%5C.inbound.*_rq%28_pending%29%3F_active%24&type=Gauges&format=json"
_LOOK = 0.05
_REPLACED = 120.0  # seconds; a pod with a sidecar takes some to end and some to start


class Proof(Protocol):
    """What servers prove themselves with."""

    @property
    def pem(self) -> str:
        """The authority's certificate."""

    @property
    def key(self) -> str:
        """Its key."""


class ClusterPods(Pods):
    """Those of the workloads in `topology()`, which may change: pods come and go.

    `owner` names the run to the pods, which take back by themselves what they were told by one that is gone. `told` waits for the proxies,
    `look` makes `topology()` be that of now, and `notice` returns when the proxies know it, too. Nothing is told to pods of other than
    these `namespaces` (None: of any).
    """

    def __init__(
        self,
        api: Api,
        owner: str,
        topology: Callable[[], Topology],
        told: Told,
        look: Callable[[], object] = lambda: None,
        notice: Callable[[], object] = lambda: None,
        namespaces: Collection[str] | None = None,
    ) -> None:
        self._namespaces = namespaces
        self._api, self._topology, self._told, self._look, self._notice = api, topology, told, look, notice
        self._channels = Channels(partial(_channel, api, owner))
        self._readiness = Readiness(api, self._channels.command, lambda: topology().instances, told)
        super().__init__(self._played, self._tell, self._readiness.set_unready, self._finished)

    def _tell(self, name: str, *, instances: list[str], **members: Any) -> Json:
        """Give a command to those of the pods that are there still."""
        present = {each.full_name for each in self._topology().instances}
        self._channels.forget(set(instances) - present)
        if wanted := [each for each in instances if each in present]:
            return self._channels.command(name, instances=wanted, **members)
        return {"recorded": {}, "decided": 0, "released": 0, "observed": {}}

    def names(self, workload: str) -> list[str]:
        """The pods that a workload has now."""
        self._notice()
        return super().names(workload)

    def _ours(self, instance: Instance) -> bool:
        return self._namespaces is None or instance.namespace in self._namespaces

    def prove(self, authority: Proof, trusted: str = "") -> None:
        """Give those stand-ins that speak TLS what to prove themselves with; `trusted` (PEM) are clients' authorities besides."""
        own = [each for each in self._topology().instances if not each.gateway and self._ours(each)]
        wanted = [each.full_name for each in own if speaks_tls(each)]
        if wanted:
            self._channels.command("prove", instances=wanted, authority=[authority.pem, authority.key], trusted=trusted)

    def delete(self, workload: str, instance: int | None = None) -> None:
        """Delete pods, as `kubectl delete pod` does: they end as Kubernetes ends them, and whoever owns them makes others.

        Returns when the old are gone, and as many new ones are in the endpoints. The topology is looked at anew (`look`) before and after.
        """
        before, leaving = self._played(workload), self._of(workload, instance)
        for each in leaving:
            self._api.send("DELETE", f"/api/v1/namespaces/{each.namespace}/pods/{each.name}")
        self._await_others(workload, before, {each.full_name for each in leaving})

    def _await_others(self, workload: str, before: tuple[Instance, ...], gone: set[str]) -> None:
        deadline = time.monotonic() + _REPLACED
        while True:
            self._look()
            now = self._topology().names.get(workload, ())
            ready = [each for each in now if each.address not in self._topology().unready]
            if len(ready) == len(before) == len(now) and not gone.intersection(each.full_name for each in now):
                break
            if time.monotonic() > deadline:
                raise MeshError(
                    f"{_REPLACED:g} s after pods of {workload} were deleted {len(ready)} of {len(before)} are ready; "
                    f"`kubectl -n {before[0].namespace} get pods` shows them"
                )
            time.sleep(_LOOK)
        new = [each for each in now if each.full_name not in {old.full_name for old in before}]
        self._readiness.wait(new, ready=True)
        self._told(new, ready=True)

    def restore(self) -> None:
        """Take back whatever was done to any instance."""
        self.take_all_back()
        self._readiness.set_unready(frozenset())

    def close(self) -> None:
        """Hang up; pods that were told something take it back by themselves after a while, if it was not before."""
        self._channels.close()

    def _played(self, workload: str) -> tuple[Instance, ...]:
        found = instances(self._topology(), workload)
        if not all(map(self._ours, found)):
            raise ValueError(
                f"{workload} is in namespace {found[0].namespace}, which may not be touched: --mesh-namespace does not name it"
            )
        if not all(map(_given, found)):
            raise ValueError(
                f"{workload} is no stand-in, which could behave as it is told: its pods run another program. "
                "`meshtest bookinfo` prints manifests of stand-ins, `--topology` for other workloads than Bookinfo's"
            )
        return found

    def _finished(self, instance: Instance, timeout: float) -> None:
        """Waits until an instance has answered all that its sidecar has got."""
        deadline = time.monotonic() + timeout
        while under_way := self._under_way(instance):
            if time.monotonic() > deadline:
                raise MeshError(
                    f"{instance.name} has {under_way} requests under way that it has not answered in {timeout:g} s; "
                    "does a behaviour hold them? recovers() takes it back"
                )
            time.sleep(_LOOK)

    def _under_way(self, instance: Instance) -> int:
        found = json.loads(ask(self._api, instance.namespace, instance.name, _UNDER_WAY))["stats"]
        if not found:
            raise MeshError(
                f"the sidecar of {instance.full_name} keeps no statistics of requests, so that nobody can tell what it has under way; "
                "`meshtest bookinfo` prints manifests with the annotation proxy.istio.io/config that makes it"
            )
        return sum(int(each.get("value", 0)) for each in found)


def _channel(api: Api, owner: str, full_name: str) -> Channel:
    pod, _, namespace = full_name.rpartition(".")
    return Channel(partial(api.forward, namespace, pod, COMMANDS), f"{namespace}/{pod}", owner)


def speaks_tls(instance: Instance) -> bool:
    """Whether a stand-in cannot do without certificates."""
    return any(word in ("https", "tls") for *_, word in _given(instance).get("listen", ()))


def _given(instance: Instance) -> Json:
    """What the environment of a pod says of its stand-in; empty if it runs none."""
    found = [each for container in containers(instance) for each in container.get("env") or ()]
    said = next((each.get("value") for each in found if each.get("name") == _STAND_IN), None)
    return dict(json.loads(said)) if said else {}
