"""What is in force in a cluster: what tests apply, and what makes the proxies tell of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from meshtest.authority import Authority
from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.access_log_filter import access_log_filter
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.claim import Claim
from meshtest.meshes.kubernetes.cluster import Cluster
from meshtest.meshes.kubernetes.credentials import credentials
from meshtest.meshes.kubernetes.effect import Effect, NotTaken, awaited
from meshtest.meshes.kubernetes.gateway import Gateway
from meshtest.meshes.kubernetes.objects import Objects, Step
from meshtest.meshes.kubernetes.place import Place
from meshtest.meshes.kubernetes.population import Population
from meshtest.meshes.kubernetes.probe import PORT as PROBED
from meshtest.meshes.kubernetes.probe import Probe
from meshtest.meshes.kubernetes.shared_gateway import OwnHosts, serves_others, taken_from_others
from meshtest.meshes.kubernetes.state import RUN
from meshtest.resources.manifest import read_objects
from meshtest.resources.problem import WrongResources
from meshtest.resources.resource import Resource
from meshtest.translate.gateway_server import target_port
from meshtest.translate.snapshot import Memory, Proxy, Snapshot

Key = tuple[str, str, str, str]
Keyed = Mapping[Key, Resource]


class Force:
    """What one run has in force, while it has the namespaces to itself (from `claim` to `give_up`).

    `gateway` finds the ingress gateway; `authority` issues certificates. `snapshot` is what follows from all resources in the cluster,
    as far as they are known.
    """

    def __init__(
        self,
        api: Api,
        place: Place,
        population: Population,
        cluster: Cluster,
        gateway: Callable[[], Gateway],
        authority: Callable[[], Authority],
    ) -> None:
        self._api, self._place, self._population, self._cluster = api, place, population, cluster
        self._gateway, self._authority = gateway, authority
        self._claim: Claim | None = None
        self._objects = Objects(api, place.run, place.namespaces, self._check_claim)
        self._effect = Effect(population.admins)
        self._more: dict[Key, Resource] = {}
        self._probed: dict[Key, Resource] = {}
        self._in_force: Keyed = {}
        self._foreign: tuple[Resource, ...] = ()
        self.hosts: OwnHosts | None = None
        """Hosts of the run's own at the gateway, where it serves others."""
        self.planned: list[Step] = []
        """What would be done to objects, where this is only planned."""
        self.notes: list[str] = []
        """What istiod made otherwise than the translation expects, and how it is known that a change is in force."""
        self.snapshot = Snapshot(population.topology, (), Memory())

    def claim(self) -> bool:
        """Have the namespaces to ourselves; whether they were not before. HeldByAnother if another run has them for too long."""
        if self._claim is not None or self._place.only_plan:
            return False
        self._claim = Claim(self._api, self._place.run, self._place.namespaces, self._place.wait)
        return True

    def look(self) -> None:
        """Look at what is there and is not ours; what ours stands for meanwhile is known from before."""
        replaced = [each for each in self._foreign if each.key in self._in_force]
        self._foreign = (*replaced, *self._cluster.resources(self._in_force))
        self.snapshot = self._with(self._in_force.values())
        if (unseen := self._cluster.unseen) and (note := _unseen(unseen)) not in self.notes:
            self.notes.append(note)

    def log_in_detail(self) -> None:
        """Have the proxies of our namespaces log attempts and times."""
        self._objects.put(self._own)
        proxies = self._population.proxies
        self._effect.await_logs([name for name, each in proxies.items() if each.namespace in self._place.namespaces])

    def changed_by_others(self) -> bool:
        """Whether someone else has changed what is in force."""
        return bool(self._objects.changed_by_others())

    def give_up(self, *, settled: bool = False) -> None:
        """Leave the namespaces to others, as they were; ForeignChanges if someone else has changed what was in force.

        `settled`: until the proxies have let go of it. Who puts the same in force just afterwards would take what they still hold for it.
        """
        with contextlib.ExitStack() as last:  # all of this, whatever becomes of any part
            last.callback(self._release)
            if settled:
                last.callback(self._settle)
            last.callback(self._forget)
            self._objects.restore()

    def _forget(self) -> None:
        self._in_force, self._more, self._probed = {}, {}, {}
        for made in ("_own", "_probe"):  # another time there are other proxies
            self.__dict__.pop(made, None)

    def _settle(self) -> None:
        with contextlib.suppress(MeshError):  # the next change is awaited, too, and says what is wrong
            self.take(self._looked())

    def _release(self) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.close()

    def _check_claim(self) -> None:
        assert self._claim is not None
        self._claim.check()

    def put(self, resources: Keyed) -> None:
        """Make exactly these be in force; returns when the proxies concerned hold what follows from them."""
        resources = self._at_gateway(resources)
        resources = {**self._credentials(resources), **resources}
        after = self._with(resources.values())
        if self._place.only_plan:
            self.planned += self._objects.plan(resources)
            return
        before = self._in_force
        try:
            self._apply(resources)
            self._take(after)
            if self._probe is not None:
                self._probed = self._probe.next()
                self._apply(resources)
                self._probe.wait()
        except BaseException:  # also what interrupts a test: what is not known to be in force must not be there
            with contextlib.suppress(MeshError):  # the first error is the one to know
                self._apply(before)
            raise

    def _take(self, after: Snapshot) -> None:
        """Wait until the proxies hold what follows from a snapshot, or from what others have put there meanwhile."""
        try:
            self.take(after)
        except NotTaken:
            foreign = self._foreign
            after = self._looked()
            if _bodies(self._foreign) == _bodies(foreign):
                raise
            self.take(after)

    def _looked(self) -> Snapshot:
        """What follows from all that is in the cluster now, while it is known that the proxies had what followed from it before."""
        before = self.snapshot
        self.look()
        after, self.snapshot = self.snapshot, before
        return after

    def _apply(self, resources: Keyed) -> None:
        """Have exactly these in the cluster, beside what is there until the end."""
        self._objects.put({**self._own, **self._more, **self._probed, **resources})
        self._in_force = resources

    def add(self, resource: Resource) -> None:
        """Put something into the cluster until the end, which says nothing to the proxies."""
        self._more[resource.key] = resource
        self._apply(self._in_force)

    def take(self, after: Snapshot) -> None:
        """Wait until the proxies hold what follows from a snapshot."""
        self.notes += self._effect.await_all(awaited(self.snapshot, after, self._population.readable))
        self.snapshot = after

    def _at_gateway(self, resources: Keyed) -> Keyed:
        """The resources, with hosts of the run's own where the gateway serves others; WrongResources for what would take theirs."""
        labels = self._gateway().instances[0].labels
        others = [each for each in self._foreign if each.key not in resources]
        shared = not self._place.insist and serves_others(others, labels)
        self.hosts = OwnHosts(f"{self._place.run}.meshtest") if shared else None
        if self.hosts is None:
            return resources
        own = {key: self.hosts.resource(each) for key, each in resources.items()}
        if problems := taken_from_others(own.values(), others, labels, self.hosts):
            raise WrongResources(problems)
        return own

    def _with(self, resources: Iterable[Resource]) -> Snapshot:
        own = {each.key: each for each in resources}
        foreign = (each for each in self._foreign if each.key not in own)
        return Snapshot(self._population.topology, (*foreign, *own.values()), Memory())

    def _credentials(self, resources: Keyed) -> dict[Key, Resource]:
        """Certificates for Gateways that name some which the cluster does not have; where Secrets may be made."""
        namespace = self._gateway().instances[0].namespace
        if namespace not in self._place.namespaces:
            return {}
        found = self._api.list(f"/api/v1/namespaces/{namespace}/secrets", labelSelector=f"{RUN}!={self._place.run}")
        there = {each["metadata"]["name"] for each in found}
        return credentials(resources.values(), namespace, there, self._authority())

    @cached_property
    def _probe(self) -> Probe | None:
        """What tells whether the gateway has taken a change, where what it holds cannot be read."""
        gateway = self._gateway().instances[0]
        if gateway in self._population.readable:
            return None
        self.notes.append(
            f"{gateway.full_name} cannot be asked what it holds (there is no right to port-forward in {gateway.namespace}): whether a "
            "change has come to it is told by an answer of meshtest's own; what it logs and counts is not to be had"
        )
        selector = {"istio": gateway.labels["istio"]}
        return Probe(self._place.run, self._place.namespaces[0], selector, self._ask_gateway)

    def _ask_gateway(self, host: str) -> str:
        """The body of an answer for a host, over a connection of its own; empty without an answer."""
        from meshtest.traffic.client import asked

        port = target_port(self.snapshot, Proxy(self._gateway().instances[0]), PROBED)
        return asked(self._gateway().at(PROBED, port), host)

    @cached_property
    def _own(self) -> dict[Key, Resource]:
        """What makes the proxies of the namespaces say more than they would: there where they may be touched."""
        root = self._population.topology.config.root_namespace
        wanted = {
            (each.namespace, each.labels.get("istio", "") if each.namespace == root else "")
            for each in self._population.proxies.values()
            if each.namespace in self._place.namespaces
        }
        return {each.key: each for each in read_objects([access_log_filter(*each) for each in sorted(wanted)])}


def _unseen(what: Iterable[str]) -> str:
    return (
        f"there is no right to read {', '.join(sorted(what))}: what stands there is not known, and what the translation expects of the "
        "proxies may lack it"
    )


def _bodies(resources: Iterable[Resource]) -> dict[Key, object]:
    return {each.key: each.spec for each in resources}
