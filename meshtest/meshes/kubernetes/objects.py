"""What one run has in force in a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from meshtest.errors import MeshError, MeshtestError
from meshtest.meshes.kubernetes import records
from meshtest.meshes.kubernetes.alteration import Alteration, carried_out, tried
from meshtest.meshes.kubernetes.api import Api, Json, Missing, Refused, Unreachable
from meshtest.meshes.kubernetes.foreign import Change, ForeignChanges
from meshtest.meshes.kubernetes.record import Record
from meshtest.meshes.kubernetes.refusal import concerns_resource, problems
from meshtest.meshes.kubernetes.restoration import current, foreign, restore
from meshtest.meshes.kubernetes.state import differences, state
from meshtest.resources.problem import Problem, WrongResources
from meshtest.resources.resource import Resource, dotted

Key = tuple[str, str, str, str]
AT_ONCE = 8  # requests: a dry run changes nothing, so that the order does not matter
_RUN = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Step:
    """What would be done to an object: it is `created`, `changed`, `restored` (to what it was before the run) or `deleted`."""

    action: str
    title: str
    where: str = ""
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        fields = f": {', '.join(self.fields)}" if self.fields else ""
        return f"{self.action:<8} {self.title}{where}{fields}"


@dataclass
class _Held:
    """An object that the run has touched; no `resource` while it is not known what it is like."""

    order: int
    resource: Resource | None
    kept: tuple[Record, ...]


class Objects:
    """What one run has in force, in the namespaces that the user named and nowhere else.

    `run` is the run's id, as a part of a DNS name of at most 40 characters; `check` is called before each change and raises if the
    namespaces are no longer the run's.

    An object that existed before is made to be exactly what the manifest says, as `kubectl replace` does; only labels and annotations
    of other tools (any domain but Istio's) stay in it. Its whole state before is kept in the cluster from before it is touched until it is
    restored; so is what the run makes. New objects have the labels `meshtest.dev/run` and `app.kubernetes.io/managed-by`.
    """

    def __init__(
        self, api: Api, run: str, namespaces: Collection[str], check: Callable[[], None] = lambda: None
    ) -> None:
        if not _RUN.fullmatch(run):
            raise ValueError(f"a run's id is up to 40 small letters, digits and -, not {run!r}")
        self._api = api
        self._run = run
        self._namespaces = frozenset(namespaces)
        self._check = check
        self._held: dict[Key, _Held] = {}
        self._order = 0

    @property
    def run(self) -> str:
        """The run's id."""
        return self._run

    def put(self, resources: Mapping[Key, Resource]) -> dict[Key, Json]:
        """Make exactly these be in force; the objects that were changed for it, as the API server has them now.

        All or nothing: a server-side dry run of all comes first (WrongResources: what the API server or a webhook refuses, with file and
        line), and a failure later takes back what was done. ForeignChanges if someone else has changed what is in force: then all that is
        ours is taken back, and theirs stays.
        """
        standing = {key: each.resource for key, each in self._held.items() if each.resource is not None}
        try:
            return self._move(resources)
        except ForeignChanges as changes:
            self._after(changes, self.restore)
            raise
        except BaseException as error:  # also what interrupts a test
            self._after(error, lambda: self._move(standing))
            raise

    def plan(self, resources: Mapping[Key, Resource]) -> list[Step]:
        """What `put` would do, after the same dry run; nothing is changed."""
        steps = [_planned(each) for each in self._tried(self._new(resources))]
        return steps + [_taken_back(self._held[key].kept) for key in self._unwanted(resources)]

    def restore(self) -> None:
        """Take everything back; harmless when repeated, and goes on where one object fails.

        ForeignChanges if someone else has changed something, MeshError for what could not be restored (`meshtest clean` tries again).
        """
        changes: list[Change] = []
        errors: list[str] = []
        for key in self._unwanted({}):
            self._check()
            try:
                changes += self._take_back(key)
            except Unreachable as error:
                errors.append(f"{error}\n`meshtest clean` takes back what is left, and so does the next run there")
                break
            except MeshError as error:
                errors.append(str(error))
        if errors:
            raise MeshError("\n".join([*errors, *map(str, changes)]))
        if changes:
            raise ForeignChanges(changes)

    def changed_by_others(self) -> list[Change]:
        """What someone else has changed in what is in force, since we applied it."""
        held = list(self._held.values())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(lambda each: foreign(each.kept, self._now(each.kept)), held)
        return [each for each in found if each is not None]

    def _move(self, resources: Mapping[Key, Resource]) -> dict[Key, Json]:
        self._check()
        done = {each.resource.key: self._carry_out(each) for each in self._tried(self._new(resources))}
        changes = [change for key in self._unwanted(resources) for change in self._take_back(key)]
        if changes:
            raise ForeignChanges(changes)
        return done

    def _new(self, resources: Mapping[Key, Resource]) -> list[Resource]:
        """What is not in force as it is."""
        _check_places(resources.values(), self._namespaces)
        return [each for key, each in resources.items() if not self._stands(key, each)]

    def _stands(self, key: Key, wanted: Resource) -> bool:
        held = self._held.get(key)
        return held is not None and held.resource is not None and held.resource.body == wanted.body

    def _unwanted(self, resources: Mapping[Key, Resource]) -> list[Key]:
        """What is to be taken back, the last first."""
        return [key for key in reversed(self._held) if key not in resources]

    def _tried(self, resources: list[Resource]) -> list[Alteration]:
        """The dry run of all; what is wrong with any of them is raised together."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tries = [pool.submit(self._try, each) for each in resources]
        wrong = [problem for each in tries for problem in each.result()[1]]
        if wrong:
            raise WrongResources(wrong)
        return [alteration for each in tries for alteration in each.result()[0]]

    def _try(self, resource: Resource) -> tuple[list[Alteration], list[Problem]]:
        held = self._held.get(resource.key)
        try:
            self._check_kind(resource)
            return [tried(self._api, self._run, resource, held.kept if held else ())], []
        except Refused as refused:
            if not concerns_resource(refused.status, refused.said):
                raise
            return [], list(problems(resource, refused.said, refused.causes))
        except WrongResources as wrong:
            return [], list(wrong.problems)

    def _check_kind(self, resource: Resource) -> None:
        """WrongResources for a kind that the cluster does not know, or whose objects are in no namespace."""
        named = {"name": resource.name, "namespace": resource.namespace}
        try:
            path = self._api.path_of({"apiVersion": resource.api_version, "kind": resource.kind, "metadata": named})
        except Missing as missing:
            raise WrongResources([Problem(resource, ("apiVersion",), str(missing))]) from missing
        if f"/namespaces/{resource.namespace}/" not in path:
            raise WrongResources([_no_namespace(resource)])

    def _carry_out(self, alteration: Alteration) -> Json:
        self._check()
        key = alteration.resource.key
        order = self._held[key].order if key in self._held else self._order
        self._order += key not in self._held
        record = alteration.record(self._run, order)
        held = self._held[key] = _Held(order, None, (*alteration.kept, record))
        records.write(self._api, record)
        found = carried_out(self._api, alteration)
        if (actual := state(found)) != alteration.applied:  # such as an address that a dry run does not allot
            held.kept = (*held.kept, Record(self._run, order, len(held.kept), record.target, None, actual))
            records.write(self._api, held.kept[-1])
        held.resource = alteration.resource
        return found

    def _take_back(self, key: Key) -> list[Change]:
        held = self._held[key]
        change = restore(self._api, held.kept, live=held.resource is not None)
        del self._held[key]
        return [change] if change else []

    def _now(self, kept: tuple[Record, ...]) -> Json | None:
        return current(self._api, self._api.path_of(kept[0].target))

    def _after(self, error: BaseException, step: Callable[[], object]) -> None:
        """Do what follows an error; if it fails, too, the first error says so."""
        try:
            step()
        except ForeignChanges as changes:
            if changes is not error:
                error.add_note(str(changes))
        except MeshtestError as second:
            error.add_note(f"What this run has in force could not be taken back: {second}")


def _check_places(resources: Iterable[Resource], namespaces: Collection[str]) -> None:
    if wrong := list(_misplaced(resources, namespaces)):
        raise WrongResources(wrong)


def _misplaced(resources: Iterable[Resource], namespaces: Collection[str]) -> Iterator[Problem]:
    named = ", ".join(sorted(namespaces)) or "none"
    for each in resources:
        if not each.namespace:
            yield _no_namespace(each)
        elif each.namespace not in namespaces:
            words = f"meshtest touches only namespaces named to it ({named}); --mesh-namespace {each.namespace} would name this one"
            yield Problem(each, ("metadata", "namespace"), words)


def _no_namespace(resource: Resource) -> Problem:
    words = (
        "objects of this kind are in no namespace, and meshtest touches only what is in one that --mesh-namespace names"
    )
    return Problem(resource, ("kind",), words)


def _planned(alteration: Alteration) -> Step:
    resource = alteration.resource
    if alteration.now is None:
        return Step("created", str(resource), resource.where())
    paths = differences(state(alteration.now), alteration.applied)
    return Step("changed", str(resource), resource.where(), tuple(map(dotted, paths)))


def _taken_back(kept: tuple[Record, ...]) -> Step:
    return Step("deleted" if kept[0].before is None else "restored", kept[0].title)
