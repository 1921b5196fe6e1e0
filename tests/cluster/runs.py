"""pytest as a user runs it against a cluster, in processes of its own, on tests in a folder of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .stand_ins import until

DEADLINE = 180.0  # seconds for a run
IN_FORCE, GO = "in-force", "go"
HOLDING = f"""
from pathlib import Path

def test_holding(mesh, ingress):
    mesh.apply("canary.yaml")
    Path({IN_FORCE!r}).touch()
    Path({GO!r}).read_text()  # a FIFO: until somebody opens and closes it
"""
"""A test that puts `canary.yaml` in force, and waits to be told to go on."""


@dataclass(frozen=True)
class Ended:
    """How a run ended, and all that it printed."""

    status: int
    text: str


@dataclass(frozen=True)
class Tests:
    """Tests in a folder, for one namespace (or none); `kubeconfig` is another one than everybody's."""

    folder: Path
    context: str
    namespace: str | None
    kubeconfig: Path | None = None

    def __post_init__(self) -> None:
        (self.folder / "pytest.ini").write_text("[pytest]\n")
        if not (self.folder / GO).exists():
            os.mkfifo(self.folder / GO)

    def write(self, **files: str) -> None:
        """Modules of tests by their names, and manifests."""
        for name, text in files.items():
            suffix = ".py" if name.startswith("test_") else ".yaml"
            (self.folder / f"{name}{suffix}").write_text(textwrap.dedent(text))

    def run(self, *arguments: object) -> Ended:
        """One run to its end."""
        with self.begun(*arguments) as running:
            return running.end()

    @contextmanager
    def begun(self, *arguments: object) -> Iterator[Running]:
        """A run that is going on; it is killed if it still is at the end."""
        with subprocess.Popen(
            [*self._command(), *map(str, arguments)],
            cwd=self.folder,
            env=os.environ | ({"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield Running(self.folder, process)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def _command(self) -> list[str]:
        failures = f"mesh_failures={self.folder / 'failures'}"
        options = ["-o", failures, "--mesh", "kubernetes", "--kube-context", self.context]
        named = ["--mesh-namespace", self.namespace] if self.namespace else []
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, *named]


@dataclass(frozen=True)
class Running:
    """A run that is going on."""

    folder: Path
    process: subprocess.Popen[str]

    def wait_until_in_force(self) -> None:
        """Until the test that holds has put its manifest in force."""
        until(
            lambda: (self.folder / IN_FORCE).exists() or self.process.poll() is not None,
            "the test's manifest is in force",
        )
        assert self.process.poll() is None, self.end().text

    def go_on(self) -> None:
        """Let the test that holds go on."""
        until(self._told, "the test that holds waits to be told")

    def _told(self) -> bool:
        assert self.process.poll() is None, self.end().text
        try:
            os.close(os.open(self.folder / GO, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody reads yet
            return False
        return True

    def interrupt(self) -> None:
        """What a terminal does at Ctrl-C: all of the run's processes are told."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> Ended:
        """What came of it; one that does not end says where each of its threads stands, and fails the test."""
        try:
            text, _ = self.process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGABRT)
            text, _ = self.process.communicate()
            pytest.fail(f"a run did not end in {DEADLINE:g} s:\n{text}")
        return Ended(self.process.returncode, text)
