"""Real meshes, shared by the tests of a module."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from meshtest.evidence import Finding
from meshtest.meshes.local.guardian import Guardian
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.resources.manifest import check, read_text
from meshtest.source import Source
from meshtest.topology.default import default_topology
from meshtest.traffic.sample import Sample


@pytest.fixture(scope="module")
def bookinfo() -> Iterator[LocalMesh]:
    """A mesh that runs Bookinfo."""
    mesh = LocalMesh(default_topology([]))
    try:
        mesh.wait_ready()
        yield mesh
    finally:
        mesh.close()


@pytest.fixture
def put(bookinfo: LocalMesh) -> Iterator[Callable[[str], None]]:
    """Puts exactly the resources in a YAML text in force; taken back after the test."""

    def put(text: str) -> None:
        bookinfo.put({resource.key: resource for resource in check(read_text(text, "test.yaml"))})

    yield put
    bookinfo.put({})


class Unwatched:
    """Nobody wants to know what a source finds."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Tells nobody."""
        return nullcontext()

    def record(self, found: Finding, sample: Sample | None = None) -> None:
        """Forgets it."""

    def progress(self, text: str) -> None:
        """Shows nothing."""

    def before_control(self) -> None:
        """Stands in no control's way."""

    def edited(self, rule: Any, edits: Any) -> Any:
        """No rule is changed."""
        raise AssertionError(rule)

    def kept(self) -> Any:
        """Nothing is changed."""
        raise AssertionError

    def apply(self, *what: Any) -> None:
        """Nothing is applied."""
        raise AssertionError(what)

    def edit(self, rule: Any, edits: Any) -> None:
        """Nothing is changed."""
        raise AssertionError(rule)


class Town:
    """A mesh that runs what a module of tests gives (`MANIFESTS`)."""

    def __init__(self, mesh: LocalMesh) -> None:
        self.mesh = mesh
        self.ingress = Source(mesh, None, 16, Unwatched())

    def put(self, text: str) -> None:
        """Puts exactly these resources in force."""
        self.mesh.put({resource.key: resource for resource in check(read_text(text, "test.yaml"))})

    def workload(self, name: str = "web-v1") -> Source:
        """A workload as a source of calls."""
        return Source(self.mesh, name, 16, Unwatched())

    def address(self, workload: str, number: int = 0) -> str:
        """The (virtual) address of an instance."""
        return self.mesh.topology.names[workload][number].address


@pytest.fixture(scope="module")
def running_town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Its manifests are few: each Envoy takes inotify instances, of which all meshes of a user share 128."""
    file = tmp_path_factory.mktemp("town") / "town.yaml"
    file.write_text(request.module.MANIFESTS)
    mesh = LocalMesh(default_topology([file]))
    try:
        mesh.wait_ready()
        yield Town(mesh)
    finally:
        mesh.close()


@pytest.fixture
def town(running_town: Town) -> Iterator[Town]:
    """A town in which nothing is in force; what a test puts there is taken back."""
    yield running_town
    running_town.put("")


@pytest.fixture
def leftovers(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What the meshes that a test has made have left: their folders that are still there."""
    made: list[str] = []
    start = Guardian.__init__

    def noted(self: Guardian, *arguments: Any) -> None:
        start(self, *arguments)
        made.extend(self.folders)

    monkeypatch.setattr(Guardian, "__init__", noted)
    return lambda: [folder for folder in made if os.path.exists(folder)]
