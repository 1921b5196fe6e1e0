"""Real meshes, shared by the tests of a module."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from meshtest.meshes.local.guardian import Guardian
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.resources.manifest import check, read_text
from meshtest.topology.default import default_topology


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
