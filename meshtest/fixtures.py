"""The fixtures `mesh` and `ingress`, and what they give."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from meshtest.story import STORY, Untold

if TYPE_CHECKING:
    import httpx

    from meshtest.evidence import Finding
    from meshtest.judging.control import Edit
    from meshtest.judging.permissions import Permissions
    from meshtest.judging.verdict import Judgement
    from meshtest.matrix import Matrix
    from meshtest.meshes.access_log import Entry
    from meshtest.meshes.protocol import Authority, Rule
    from meshtest.meshes.protocol import Mesh as Backend
    from meshtest.meshes.statistics import Change, Host
    from meshtest.mutation.substitution import Substitution
    from meshtest.resources.resource import Resource
    from meshtest.source import Source
    from meshtest.story import Story
    from meshtest.traffic.sample import Sample
    from meshtest.workload import Workload


Key = tuple[str, str, str, str]


class Mesh:
    """The mesh as a test sees it: what the test applies is taken back after it."""

    def __init__(
        self,
        backend: Backend,
        beside: Path,
        title: str,
        connections: int,
        record: Callable[[Finding, Sample | None], None],
        progress: Callable[[str], None],
        analysis: str = "warn",
        mutation: Substitution | None = None,
        story: Story | None = None,
    ) -> None:
        """`given` gathers what the test applies, as it stands there, for the reports."""
        self._backend = backend
        self._beside = beside
        self._title = title
        self._connections = connections
        self._record = record
        self._found: list[tuple[Finding, Sample | None]] = []
        self.progress = progress
        self._story = story or Untold()
        self.step = self._story.step
        self._analysis = analysis
        self._mutation = mutation
        self._applied: dict[Key, Resource] = {}
        self.given: list[Resource] = []
        self._edits: list[tuple[Rule | None, Sequence[Edit]]] = []

    def record(self, found: Finding, sample: Sample | None = None) -> None:
        """Keep a finding for the reports, and what was measured for it."""
        self._found.append((found, sample))
        self._record(found, sample)

    @property
    def kind(self) -> str:
        """`local` or `kubernetes`."""
        return self._backend.kind

    def testimony(self) -> Mapping[str, str]:
        """What explains a failure later, texts by the names of files: what the mesh says of itself, what the test applied and measured."""
        from meshtest.measured import texts

        return {**self._backend.testimony(), **texts(self.given, self._found)}

    @property
    def versions(self) -> Mapping[str, str]:
        """Those of the mesh by name: `Envoy`, `Istio`."""
        return self._backend.versions

    @property
    def capabilities(self) -> frozenset[str]:
        """What this mesh can do that not every mesh can, such as `mutual-tls`; the marker `mesh_needs` asks for it."""
        return frozenset(self._backend.capabilities)

    @property
    def authority(self) -> Authority:
        """The certificate authority of this run, which clients here trust: `pem` is its certificate, `certificate(name)` issues one."""
        return self._backend.authority

    def apply(
        self, *what: str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]], namespace: str | None = None
    ) -> None:
        """Put resources in force, each a path beside the test, YAML text (of several lines), or objects.

        Returns when every proxy concerned has them. An object that was applied before is replaced.

        Resources without a namespace go to `namespace` (of the local mesh `default`; of a cluster the first that may be touched). Raises
        ResourceError for what is not understood, MeshError (with Envoy's own words) for what a proxy refuses; then nothing has changed.
        What is accepted but probably not meant warns (`AnalysisWarning`), or raises ResourceError, as the ini value `mesh_analysis` says.
        """
        __tracebackhide__ = True
        from meshtest.errors import AnalysisWarning, ResourceError
        from meshtest.resources.manifest import check, is_istio
        from meshtest.resources.problem import Problem, WrongResources

        plain = [resource for each in what for resource in self._read(each, namespace or self._backend.namespace)]
        self.given += plain
        found = self._mutation.replaced(plain) if self._mutation else plain
        strangers = [each for each in found if not is_istio(each)]
        if strangers:
            remedy = "is no routing resource: workloads are given with --mesh-workloads, or the marker mesh_workloads"
            raise WrongResources([Problem(each, (), remedy) for each in strangers])
        applied = {resource.key: resource for resource in check(found)}
        wanted = {**self._applied, **applied}
        doubts = [] if self._analysis == "off" else self._doubts(wanted, applied)
        if doubts and self._analysis == "error":
            raise ResourceError("\n".join(doubts))
        if self._mutation:
            self._mutation.compare(self._backend.topology, plain, wanted.values())
        with self._story.applies(f"apply: {', '.join(map(str, plain))}", plain):
            self._put(wanted)
        for doubt in doubts:
            warnings.warn(AnalysisWarning(doubt), stacklevel=2)

    def _doubts(self, wanted: Mapping[Key, Resource], applied: Mapping[Key, Resource]) -> list[str]:
        from meshtest.analysis.applied import doubts

        return [str(finding) for finding in doubts(self._backend.topology, wanted.values(), frozenset(applied))]

    def _read(self, what: Any, namespace: str) -> list[Resource]:
        from meshtest.resources.manifest import read_files, read_objects, read_text

        if isinstance(what, Mapping):
            return read_objects([what], namespace)
        if isinstance(what, str) and "\n" in what:
            return read_text(what, f"{self._title} (YAML in the test)", namespace)
        if isinstance(what, str | Path):
            return read_files([_shortest(self._beside / what)], namespace)
        return read_objects(what, namespace)

    def restore(self) -> None:
        """Take back all that was applied, and whatever was done to workloads."""
        try:
            if self._applied:
                self._applied = {}
                self._backend.put({}, later=True)
        finally:
            self._backend.restore()

    @property
    def ingress(self) -> Source:
        """Where traffic enters: the outside of the ingress gateway."""
        from meshtest.source import Source

        return Source(self._backend, None, self._connections, self)

    def expect(self, expected: Permissions) -> Judgement:
        """Ask each cell of a matrix of permissions; PolicyViolation, which lists the wrong ones, unless all are as stated."""
        __tracebackhide__ = True
        from meshtest.errors import PolicyViolation
        from meshtest.judging.verdict import Verdict

        told, judgement = self._matrix(expected).prove()
        if judgement.verdict is not Verdict.HOLDS:
            self._backend.check()  # broken surroundings are not the policy's fault
            raise PolicyViolation(told.message(), judgement)
        return judgement

    def control(self, expected: Permissions) -> list[Judgement]:
        """Show that the matrix can fail: without each of the applied policies, and with each action turned round.

        PolicyViolation if one of these is not called VIOLATED; ValueError if no policy is applied.
        """
        __tracebackhide__ = True
        from meshtest.matrix import noticed, wrong_policies

        self.before_control()
        matrix, found = self._matrix(expected.strict()), []
        try:
            for name, wrong in wrong_policies(self._applied):
                self._backend.put(wrong)
                told, judgement = matrix.prove(name)
                noticed(told, judgement)
                found.append(judgement)
        finally:
            self._put(self._applied, later=True)
        if not found:
            raise ValueError("the control changes each AuthorizationPolicy, and the test has applied none")
        return found

    def _matrix(self, expected: Permissions) -> Matrix:
        from meshtest.matrix import INGRESS, Matrix

        return Matrix(expected, lambda who: self.ingress if who == INGRESS else self.workload(who), self)

    def workload(self, name: str) -> Workload:
        """A workload such as `productpage-v1`: a source of mesh and egress traffic, and what can be made to misbehave.

        ValueError if there is none of that name.
        """
        from meshtest.workload import Workload

        known = self._backend.workloads()
        if name not in known:
            from meshtest.resources.schema import nearest

            raise ValueError(f"there is no workload {name!r}{nearest(name, known)}; there are {', '.join(known)}")
        return Workload(self._backend, name, self._connections, self)

    def access_log(self, of: httpx.Response | tuple[str, int]) -> list[Entry]:
        """What the proxies logged of a request, in the order in which it reached them: `access_log(ingress.get("/"))[0].summary`.

        For a TCP connection it is asked by the client's address, `connection.getsockname()`, once the connection has ended. ValueError for
        an answer to a request with a `User-Agent` of its own; MeshError if a proxy stays silent.
        """
        from meshtest.traffic.token import read_user_agent

        if isinstance(of, tuple):
            return list(self._backend.connection(of))
        agent = of.request.headers.get("User-Agent", "")
        marked = read_user_agent(agent)
        if marked is None:
            raise ValueError(
                f"log lines are found by the User-Agent that meshtest gives to requests, and this one had its own: {agent!r}"
            )
        token, number = marked
        return list(self._backend.passages(token, [number])[number])

    def stats(self, proxy: str, pattern: str = "*") -> Mapping[str, int]:
        """Envoy's counters and gauges, by name: of a workload's proxies (summed), or of one proxy by its pod's name.

        `pattern` is a glob over the names: `cluster.*reviews*.upstream_rq_*`. What a proxy has not used yet is not there. All that was
        answered before is counted. ValueError for a workload that there is not.
        """
        return self._backend.stats(proxy, pattern)

    @contextmanager
    def watching(self, proxy: str, *patterns: str) -> Iterator[Change]:
        """How counters and gauges change while the block runs; names and globs as in `stats`, what is missing counts as 0.

        `with mesh.watching("istio-ingressgateway", "cluster.*.upstream_rq_retry") as change: ...`, and then
        `change["cluster.*.upstream_rq_retry"]`.
        """
        from meshtest.meshes.statistics import Change

        def read() -> Mapping[str, int]:
            return {name: value for each in patterns for name, value in self._backend.stats(proxy, each).items()}

        if not patterns:
            raise ValueError("say which statistics to watch, by names or globs")
        change = Change(patterns, read)
        yield change
        change.end()

    def hosts(self, proxy: str, host: str, subset: str | None = None) -> Sequence[Host]:
        """How proxies see the hosts behind a Service: who is ejected, and what each was asked.

        `subset` None is of all clusters for the Service, "" of those without a subset. ValueError if there is no such cluster.
        """
        return self._backend.hosts(proxy, host, subset)

    def before_control(self) -> None:
        """A control makes the mesh wrong by itself, which says nothing of a mutant: the test ends here."""
        if self._mutation:
            pytest.skip("a control says nothing of mutants")

    def readiness(self, workload: str | None = None) -> Mapping[str, int]:
        """What a workload's proxies (None: the ingress gateway) answer at `/healthz/ready` of port 15021, by pod: 200 is ready.

        ValueError for a workload that there is not.
        """
        import httpx

        def status(host: str, port: int) -> int:
            return httpx.get(f"http://{host}:{port}/healthz/ready", timeout=30, trust_env=False).status_code

        return {pod: status(*target.address) for pod, target in self._backend.readiness(workload).items()}

    @contextmanager
    def edited(self, rule: Rule | None, edits: Iterable[Edit]) -> Iterator[None]:
        """A while in which what was applied, and what is applied then, is changed so."""
        self._edits.append((rule, tuple(edits)))
        try:
            self._put(self._applied)
            yield
        finally:
            self._edits.pop()
            self._put(self._applied, later=True)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """A while after which what was applied is again what it was before."""
        before = self._applied
        try:
            yield
        finally:
            self._put(before, later=True)

    def edit(self, rule: Rule | None, edits: Iterable[Edit]) -> None:
        """Change what was applied; an object that is applied again replaces it."""
        from meshtest.edited import edited

        several = tuple(edits)
        wanted = edited(self._applied, rule, several)
        if self._mutation:
            self._mutation.compare_edited(
                self._backend.topology, lambda plain: edited(plain, rule, several), wanted.values()
            )
        self._put(wanted)

    def _put(self, wanted: dict[Key, Resource], later: bool = False) -> None:
        """Put exactly these in force, but for the edits of this while; `later` as soon as anything is asked."""
        from meshtest.edited import edited

        sent = wanted
        for rule, edits in self._edits:
            sent = edited(sent, rule, edits)
        self._backend.put(sent, later=later)
        self._applied = wanted


def _shortest(path: Path) -> Path:
    """The path as a person would write it from here."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path


@pytest.fixture
def mesh(request: pytest.FixtureRequest) -> Iterator[Mesh]:
    """A service mesh to apply Istio resources to; what a test applies is taken back after it."""
    from meshtest.session import session_of

    session = session_of(request.config)
    mutation = _mutation(request)
    backend = session.backend(request.node)
    _check_needs(request.node, backend)
    story = request.config.stash.get(STORY, Untold()) if mutation is None else Untold()
    story.begin(request.node.nodeid, inspect.cleandoc(request.function.__doc__ or ""), backend.kind)
    own = Mesh(
        backend,
        request.path.parent,
        request.node.nodeid,
        session.connections,
        lambda found, sample: _found(request.node, story, found, sample) if mutation is None else None,
        session.progress,
        session.analysis if mutation is None else "off",
        mutation,
        story,
    )
    try:
        yield own
    finally:
        session.record_plan(request.node, _taken(backend, "planned"))
        session.record_notes(request.node, map(str, _taken(backend, "notes")))
        own.restore()


def _found(item: pytest.Item, story: Story, found: Finding, sample: Sample | None) -> None:
    from meshtest.session import session_of

    session_of(item.config).record(item, found)
    story.found(found, sample)


def _taken(backend: Backend, name: str) -> list[object]:
    """What a mesh has gathered in a list, which is empty then; only that of a cluster has such lists."""
    gathered: list[object] = getattr(backend, name, [])
    found = list(gathered)
    gathered.clear()
    return found


def _check_needs(item: pytest.Item, backend: Backend) -> None:
    """Skip a test that needs (marker `mesh_needs`) what this mesh cannot do, and say what; a need that nobody knows is an error."""
    from meshtest.meshes.protocol import CAPABILITIES

    for name in (name for marker in item.iter_markers("mesh_needs") for name in marker.args):
        if name not in CAPABILITIES:
            raise pytest.UsageError(f"{item.nodeid}: mesh_needs({name!r}): a mesh can have {', '.join(CAPABILITIES)}")
        if name not in backend.capabilities:
            pytest.skip(f"the mesh ({backend.kind}) has no {name}: {CAPABILITIES[name]}")


def _mutation(request: pytest.FixtureRequest) -> Substitution | None:
    """What the test is to run with instead of the manifest beside it, under --mesh-mutants."""
    case = getattr(request, "param", None)
    if case is None or not request.config.getoption("mesh_mutants"):
        return None
    from meshtest.mutation.substitution import substitution

    return substitution(request.node, case)


@pytest.fixture
def ingress(mesh: Mesh) -> Source:
    """Where traffic enters: the outside of the mesh's ingress gateway."""
    return mesh.ingress
