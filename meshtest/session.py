"""What lasts for a whole pytest run: the meshes, and the findings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from meshtest.evidence import Finding
from meshtest.meshes.protocol import Mesh

if TYPE_CHECKING:
    from meshtest.meshes.kubernetes.place import Place


_WORKERS_WAIT = 3600.0  # seconds for the turns of the other workers of pytest-xdist


class Meshes(Protocol):
    """Where the meshes for tests come from."""

    def mesh(self, paths: tuple[Path, ...]) -> Mesh:
        """The one that runs what is in these manifests (Bookinfo, or what there is, without any)."""

    def close(self) -> None:
        """End all."""


class Session:
    """The meshes of one pytest process (under pytest-xdist: of one worker)."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._meshes = _meshes(config)
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
        return self._meshes.mesh(self._workloads(item))

    def _workloads(self, item: pytest.Item) -> tuple[Path, ...]:
        marker = item.get_closest_marker("mesh_workloads")
        if marker is not None:
            return tuple((item.path.parent / each).resolve() for each in marker.args)  # one mesh, however it is named
        given = self._config.getoption("mesh_workloads")
        if given:
            return tuple(self._config.invocation_params.dir / each for each in given)
        return tuple(self._config.rootpath / each for each in self._config.getini("mesh_workloads"))

    def record(self, item: pytest.Item, found: Finding) -> None:
        """Keep a finding: with the test's report (which travels under pytest-xdist), and here."""
        self.findings.append((item.nodeid, found))
        number = sum(nodeid == item.nodeid for nodeid, _ in self.findings)
        prefix = "meshtest" if number == 1 else f"meshtest.{number}"
        item.user_properties.append((f"{prefix}.finding", found.as_json()))
        item.user_properties.extend((f"{prefix}.{name}", value) for name, value in found.properties().items())

    def record_plan(self, item: pytest.Item, steps: Iterable[object]) -> None:
        """Keep what a test would do to a cluster, for the summary."""
        item.user_properties.extend(("meshtest.plan", str(step)) for step in steps)

    def record_notes(self, item: pytest.Item, notes: Iterable[str]) -> None:
        """Keep what a mesh notes of itself while a test runs, for the summary."""
        item.user_properties.extend(("meshtest.note", note) for note in notes)

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
        self._meshes.close()


def _meshes(config: pytest.Config) -> Meshes:
    if _option(config, "mesh") == "kubernetes":
        from meshtest.cluster_mesh import ClusterMesh

        return ClusterMesh(_place(config), str(_option(config, "kube_context") or "") or None)
    from meshtest.local_meshes import LocalMeshes

    return LocalMeshes()


def _place(config: pytest.Config) -> Place:
    import secrets

    from meshtest.meshes.kubernetes.place import Place

    named = config.getoption("mesh_namespace") or config.getini("mesh_namespace")
    worker = str(getattr(config, "workerinput", {}).get("workerid", ""))
    return Place(
        tuple(dict.fromkeys(named)),
        run="-".join(filter(None, (secrets.token_hex(4), worker))),
        gateway_url=str(_option(config, "mesh_gateway") or "") or None,
        wait=_WORKERS_WAIT if worker else float(config.getoption("mesh_wait")),
        in_turns=bool(worker),
        only_plan=bool(config.getoption("mesh_plan")),
        insist=bool(config.getoption("mesh_insist")),
        image=config.getoption("mesh_image"),
        pull_policy=config.getoption("mesh_pull_policy") or "",
    )


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
