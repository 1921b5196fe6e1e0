"""Ends the processes of a mesh and removes its folders, however the process that started them ends.

Run as a script by `Guardian`: `guardian.py PLACE...`. It makes a folder in each place, prints their names and the number of
a process group, in which the mesh's processes are started, and waits for the end of its standard input. That comes when
the mesh is closed or when its process dies, even by SIGKILL.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 10.0  # seconds; killed processes are gone in milliseconds


class Guardian:
    """The mesh's hold on its guardian: `group` is the process group to start processes in, `folders` are the mesh's own.

    There is a folder in each of `places`. The file descriptors in `keep_open` stay open until everything is gone.
    """

    def __init__(self, places: tuple[str, ...], keep_open: tuple[int, ...] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, *places],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # a Ctrl-C in the terminal is not for it
            pass_fds=keep_open,
        )
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline() or "null")
        if said is None:
            raise OSError(f"no folder can be made in {' or '.join(places)}")
        self.group: int = said["group"]
        self.folders: list[str] = said["folders"]

    def close(self) -> None:
        """End the processes and have the folders removed; `wait` waits for that. The processes' parent must reap them in between."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            os.killpg(self.group, signal.SIGKILL)
        self._process.stdin.close()
        self._process.stdout.close()

    def wait(self) -> None:
        """Wait for the folders to be gone."""
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _remove(self.folders)


def main(places: list[str]) -> None:
    """The guardian's own life."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    anchor = _anchor()
    folders: list[str] = []
    try:
        folders += [tempfile.mkdtemp(prefix="meshtest-", dir=place) for place in places]
        os.write(1, f"{json.dumps({'group': anchor, 'folders': folders})}\n".encode())
        os.close(1)
        while os.read(0, 1024):
            pass
    except OSError as error:
        print(f"meshtest: {error}", file=sys.stderr)
    with contextlib.suppress(OSError):
        os.killpg(anchor, signal.SIGKILL)
    os.waitpid(anchor, 0)
    _wait_for_end(anchor)
    _remove(folders)


def _anchor() -> int:
    """A process that does nothing but keep a process group alive; the number of both."""
    anchor = os.fork()
    if anchor == 0:
        os.setpgid(0, 0)
        os.close(0)
        os.close(1)
        while True:
            signal.pause()
    with contextlib.suppress(OSError):
        os.setpgid(anchor, anchor)  # whoever of the two is first
    return anchor


def _remove(folders: list[str]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_end(group: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.killpg(group, signal.SIGKILL)
        except OSError:
            return
        time.sleep(0.002)


if __name__ == "__main__":
    main(sys.argv[1:])
