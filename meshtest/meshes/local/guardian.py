"""Ends the processes of a mesh and removes its folders, however the process that started them ends.

Run as a script by `Guardian`: `guardian.py FOLDER...`. It prints the number of a process group, in which the mesh's
processes are started, and waits for the end of its standard input. That comes when the mesh is closed or when its
process dies, even by SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

PATIENCE = 10.0  # seconds; killed processes are gone in milliseconds


class Guardian:
    """The mesh's hold on its guardian; `group` is the process group to start processes in."""

    def __init__(self, folders: tuple[os.PathLike[str], ...], keep_open: tuple[int, ...] = ()) -> None:
        self._folders = [os.fspath(folder) for folder in folders]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, *self._folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # a Ctrl-C in the terminal is not for it
            pass_fds=keep_open,
        )
        assert self._process.stdout is not None
        self.group = int(self._process.stdout.readline())

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
        _remove(self._folders)


def main(folders: list[str]) -> None:
    """The guardian's own life."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    anchor = os.fork()
    if anchor == 0:
        os.setpgid(0, 0)  # the group lives as long as this process does
        os.close(0)
        os.close(1)
        while True:
            signal.pause()
    with contextlib.suppress(OSError):
        os.setpgid(anchor, anchor)  # whoever is first
    os.write(1, f"{anchor}\n".encode())
    os.close(1)
    while os.read(0, 1024):
        pass
    with contextlib.suppress(OSError):
        os.killpg(anchor, signal.SIGKILL)
    os.waitpid(anchor, 0)
    _wait_for_end(anchor)
    _remove(folders)


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
