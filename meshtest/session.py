"""What lasts for a whole pytest run: the meshes, each started when a test first needs it, and the findings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshtest.errors import MeshError
from meshtest.evidence import Finding
from meshtest.meshes.protocol import Mesh

MOST_MESHES = 2
"""So many are kept for tests to come; each takes hundreds of megabytes, and another one starts in less than a second."""


class Session:
    """The meshes of one pytest process (under pytest-xdist: of one worker), by what they run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._meshes: dict[tuple[Path, ...], Mesh | MeshError] = {}
        self.findings: list[tuple[str, Finding]] = []

    @property
    def connections(self) -> int:
        """Connections that a measurement keeps open."""
        return int(_option(self._config, "mesh_connections"))

    @property
    def analysis(self) -> str:
        """What happens with findings in resources that are applied: `warn`, `error` or `off`."""
        return str(self._config.getini("mesh_analysis"))

    def backend(self, item: pytest.Item) -> Mesh:
        """The mesh for a test: with the workloads of its marker, else those of the command line or ini file, else Bookinfo."""
        paths = self._workloads(item)
        if paths not in self._meshes or _ended(self._meshes[paths]):
            self._make_room(MOST_MESHES - 1)
            self._meshes[paths] = self._started(paths)
        found = self._meshes[paths] = self._meshes.pop(paths)  # used last, ended last
        if isinstance(found, MeshError):
            raise MeshError(str(found))  # said once for each test, without starting again
        return found

    def _started(self, paths: tuple[Path, ...]) -> Mesh | MeshError:
        """A mesh; where the others leave it too little, they are ended."""
        from meshtest.meshes.local.watches import TooFewWatches

        found = self._start(paths)
        if isinstance(found, TooFewWatches) and self._make_room(0):
            return self._start(paths)
        return found

    def _make_room(self, most: int) -> int:
        """End the meshes that have not been used for the longest time, but for so many; how many ended."""
        alive = [(paths, each) for paths, each in self._meshes.items() if not isinstance(each, MeshError)]
        ended = alive[: max(len(alive) - most, 0)]
        for paths, each in ended:
            each.close()
            del self._meshes[paths]
        return len(ended)

    def _workloads(self, item: pytest.Item) -> tuple[Path, ...]:
        marker = item.get_closest_marker("mesh_workloads")
        if marker is not None:
            return tuple((item.path.parent / each).resolve() for each in marker.args)  # one mesh, however it is named
        given = self._config.getoption("mesh_workloads")
        if given:
            return tuple(self._config.invocation_params.dir / each for each in given)
        return tuple(self._config.rootpath / each for each in self._config.getini("mesh_workloads"))

    def _start(self, paths: tuple[Path, ...]) -> Mesh | MeshError:
        from meshtest.meshes.local.mesh import LocalMesh
        from meshtest.topology.default import default_topology

        topology = default_topology(paths)
        try:
            mesh = LocalMesh(topology)
            # Load what drives and judges, scipy among it, while the processes start.
            import meshtest.judging.split_test
            import meshtest.source  # noqa: F401

            mesh.wait_ready()
            return mesh
        except MeshError as error:
            return error

    def record(self, item: pytest.Item, found: Finding) -> None:
        """Keep a finding: with the test's report (which travels under pytest-xdist), and here."""
        self.findings.append((item.nodeid, found))
        number = sum(nodeid == item.nodeid for nodeid, _ in self.findings)
        prefix = "meshtest" if number == 1 else f"meshtest.{number}"
        item.user_properties.append((f"{prefix}.finding", found.as_json()))
        item.user_properties.extend((f"{prefix}.{name}", value) for name, value in found.properties().items())

    def progress(self, text: str) -> None:
        """Show a line while a verdict is being reached, on a terminal; an empty text clears it."""
        writer = self._config.get_terminal_writer()
        if hasattr(self._config, "workerinput") or not writer.hasmarkup or self._config.get_verbosity() < 0:
            return
        with self._uncaptured():
            # On the line below, so that what pytest has written stays: make room for it, go there, come back.
            room, shown = ("\x1bD\x1bM" if text else ""), text[: writer.fullwidth - 2]
            writer.write(f"{room}\x1b7\x1b[1B\r\x1b[K{shown}\x1b8", flush=True)

    @contextlib.contextmanager
    def _uncaptured(self) -> Iterator[None]:
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is None:
            yield
        else:
            with capture.global_and_fixture_disabled():
                yield

    def close(self) -> None:
        """End all meshes."""
        meshes, self._meshes = self._meshes, {}
        for mesh in meshes.values():
            if not isinstance(mesh, MeshError):
                mesh.close()


def _ended(mesh: Mesh | MeshError) -> bool:
    """Whether a process of the mesh has ended, which the test of that moment has been told; then the rest of it is ended, too."""
    if isinstance(mesh, MeshError):
        return False
    try:
        mesh.check()
    except MeshError:
        mesh.close()
        return True
    return False


def _option(config: pytest.Config, name: str) -> Any:
    """The command line beats the ini file."""
    given = config.getoption(name)
    return config.getini(name) if given is None else given


_KEY = pytest.StashKey[Session]()


def session_of(config: pytest.Config) -> Session:
    """The session of this pytest process, made when first asked for."""
    if _KEY not in config.stash:
        config.stash[_KEY] = Session(config)
        config.add_cleanup(config.stash[_KEY].close)
    return config.stash[_KEY]


def findings_of(config: pytest.Config) -> list[tuple[str, Finding]]:
    """What was found in this process so far."""
    return config.stash[_KEY].findings if _KEY in config.stash else []
