"""Real meshes, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
def leftovers() -> Callable[[], list[str]]:
    """What a mesh may have left: folders of meshes that are not there now; call it after."""
    places = [Path("/dev/shm"), Path("/tmp")]
    before = {path for place in places if place.is_dir() for path in place.glob("meshtest-*")}
    return lambda: [
        str(path) for place in places if place.is_dir() for path in place.glob("meshtest-*") if path not in before
    ]
