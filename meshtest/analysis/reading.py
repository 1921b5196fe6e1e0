"""From files to a world: what cannot be read and what the API server refuses become findings too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path as FilePath

from meshtest.analysis import duplicates
from meshtest.analysis.analyze import analyze, in_order
from meshtest.analysis.catalogue import REFUSED, UNREADABLE
from meshtest.analysis.finding import Finding
from meshtest.analysis.world import Key, World
from meshtest.errors import ResourceError
from meshtest.resources.document import Document
from meshtest.resources.manifest import SCHEMAS, examine, is_istio, read_files
from meshtest.resources.problem import Problem, WrongResources
from meshtest.resources.resource import Resource
from meshtest.topology import kubernetes, mesh_config
from meshtest.topology.default import bookinfo, ingress_gateway
from meshtest.topology.topology import Topology, assembled

_WORKLOADS = ("Pod", "Deployment", "StatefulSet")


def findings(files: Iterable[FilePath | str], topology: Sequence[FilePath | str] = ()) -> list[Finding]:
    """All findings in these files, in the topology that the others describe, else in Bookinfo.

    Raises ResourceError if the topology is not understood.
    """
    found, unreadable = _read(files)
    if unreadable:  # what the others refer to may stand there
        return in_order(unreadable)
    checked, problems = examine([each for each in found if is_istio(each)])
    own = [each for each in found if not is_istio(each) and _plain(each)]
    around = read_files(topology) if topology else _assumed(own)
    surroundings = _Surroundings([*around, *own], {each.key for each in found}, [*problems])
    world = World(
        surroundings.topology(),
        [each for each in checked if (each.group, each.kind) in SCHEMAS],
        [each for each in [*around, *own] if _plain(each)],
        subjects=frozenset(each.key for each in found),
        wrong=frozenset(each.resource.key for each in surroundings.problems),
        assumed=not topology and not any(each.kind == "Service" for each in own),
        pods_known=bool(topology) or surroundings.selects(own),
    )
    return in_order([*map(_refused, surroundings.problems), *duplicates.check(found), *analyze(world)])


def _read(files: Iterable[FilePath | str]) -> tuple[list[Resource], list[Finding]]:
    found: list[Resource] = []
    unreadable: list[Finding] = []
    for file in files:
        try:
            found += read_files([file])
        except ResourceError as error:
            unreadable.append(_unreadable(str(error), str(file)))
    return found, unreadable


def _unreadable(message: str, file: str) -> Finding:
    place = re.match(r"(?P<file>.*?)(?::(?P<line>[0-9]+))?: (?P<rest>.*)", message, re.DOTALL)
    name, number, rest = (place["file"], int(place["line"] or 1), place["rest"]) if place else (file, 1, message)
    nothing = Resource("", "", "", "", {"metadata": {}}, Document(None, name, first=number))
    return UNREADABLE.at(nothing, (), rest)


def _refused(problem: Problem) -> Finding:
    message = f"the API server refuses {problem.resource}: {problem.field}: {problem.message}"
    if problem.resource.kind == "AuthorizationPolicy" and problem.path[-1:] in (("from",), ("to",), ("when",)):
        message += ". Where an empty field is dropped the rule is open: it no longer looks at what stood there"
    return REFUSED.at(problem.resource, problem.path, message)


def _plain(resource: Resource) -> bool:
    """Whether the metadata has the form that all objects have."""
    metadata = resource.body["metadata"]
    return all(isinstance(metadata.get(key) or {}, dict) for key in ("labels", "annotations"))


def _assumed(own: Sequence[Resource]) -> list[Resource]:
    """What exists where nothing is said: Bookinfo, unless Services and what stands behind them are given."""
    kinds = {each.kind for each in own}
    return [] if "Service" in kinds and kinds & set(_WORKLOADS) else bookinfo()


class _Surroundings:
    """The objects that make a topology, the later of a name, and what is wrong with them or with Istio's own."""

    def __init__(self, objects: Sequence[Resource], given: set[Key], problems: list[Problem]) -> None:
        last = {each.key: each for each in objects}
        shaped, wrong = kubernetes.examined(last.values())
        self._config, more = mesh_config.examined(shaped)
        self.problems = [each for each in (*problems, *wrong, *more) if not each.unsupported]
        strange = [each for each in self.problems if each.resource.key not in given]
        if strange:
            raise WrongResources(strange)
        broken = {each.resource.key for each in self.problems}
        self._sound = [each for each in shaped if each.key not in broken]

    def topology(self) -> Topology:
        """The topology, with Istio's ingress gateway where none is given: it is seldom described beside services."""
        made = assembled(self._sound, self._config)
        if not any(each.gateway for each in made.instances):
            names = {each.key for each in self._sound}
            return assembled(
                [*self._sound, *(each for each in ingress_gateway() if each.key not in names)], self._config
            )
        return made

    def selects(self, own: Sequence[Resource]) -> bool:
        """Whether what the given Services select is known; else their pods are described elsewhere."""
        services = {each.key for each in own if each.kind == "Service"}
        made = self.topology()
        return all(
            any(service.namespace == pod.namespace and service.selects(pod.labels) for pod in made.instances)
            for service in made.services
            if service.selector and service.resource.key in services
        ) or any(each.kind in _WORKLOADS for each in own)
