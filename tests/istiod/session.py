"""A client's side: starts the servers, or finds those that `up` keeps, and asks them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.istiod.places import PROJECT, missing, session_folder
from tests.istiod.world import Answer

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


class Broken(Exception):
    """The servers cannot be started, or do not answer as they should."""


class Session:
    """A conversation with running servers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(folder / "socket"))
        self._stream = self._socket.makefile("rw")
        self.base = self.ask("").configurations

    def ask(self, manifest: str) -> Answer:
        """What istiod sends for these resources; Broken when the proxies did not come to rest."""
        self._send({"ask": manifest})
        line = self._stream.readline()
        answer: dict[str, Any] = (
            json.loads(line) if line else {"broken": f"the servers have gone; logs in {self._folder}"}
        )
        if "broken" in answer:
            raise Broken(answer["broken"])
        return Answer(**answer)

    def stop(self) -> None:
        self._send({"stop": True})
        self._stream.readline()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def _send(self, question: dict[str, Any]) -> None:
        self._stream.write(json.dumps(question) + "\n")
        self._stream.flush()


@contextmanager
def session() -> Iterator[Session]:
    """The servers that `up` keeps, or else servers for as long as this lasts."""
    found = running()
    if found:
        try:
            yield found
        finally:
            found.close()
        return
    folder = Path(tempfile.mkdtemp(prefix="meshtest-istiod-"))
    process = _start(folder)
    keep_logs = False
    try:
        made = Session(folder)
        yield made
        made.close()
    except Broken:
        keep_logs = True
        raise
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        if not keep_logs:
            shutil.rmtree(folder, ignore_errors=True)


def running() -> Session | None:
    """A conversation with the servers that `up` keeps, if they run."""
    try:
        return Session(session_folder())
    except OSError:
        return None


def up() -> None:
    """Starts servers that stay until `down`."""
    found = running()
    if found:
        return found.close()
    folder = session_folder()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    _start(folder, keep=True)
    return None


def down() -> None:
    found = running()
    if found:
        found.stop()
        found.close()


def _start(folder: Path, keep: bool = False) -> subprocess.Popen[str]:
    if missing():
        raise Broken("not there: " + ", ".join(map(str, missing())) + "; run `../shared/testbed/testbed build`")
    if os.geteuid() != 0:
        raise Broken("only root can make the namespaces that the servers run in")
    with (folder / "server.log").open("w") as log:
        process = _spawn(folder, keep, log)
    assert process.stdout is not None
    with process.stdout:
        if process.stdout.readline() != "ready\n":
            raise Broken(f"the servers did not start; logs in {folder}")
    return process


def _spawn(folder: Path, keep: bool, log: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*UNSHARE, sys.executable, "-m", "tests.istiod.server", str(folder), *(["--keep"] if keep else [])],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL if keep else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
        text=True,
    )
