"""The process that holds all servers, alone in its namespaces, and answers on a Unix socket.

    unshare --net --mount --pid --fork --kill-child --mount-proc python -m tests.istiod.server FOLDER [--keep]

One JSON object a line: {"ask": MANIFEST} is answered with {"configurations": ...} or {"invalid": WORDS}, {"stop": true} ends
it. It is the first process of its process namespace: when it ends, however it does, the kernel ends all the others.
Unless it is to be kept, it also ends when its standard input does, so that it cannot outlive whoever started it for one run.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.istiod.processes import NotReady
from tests.istiod.world import World


def serve(folder: Path) -> None:
    """Starts the servers, says `ready` on standard output, and answers until it is stopped."""
    _prepare_namespaces(folder)
    try:
        world = World(folder)
    except NotReady as error:
        sys.exit(f"tests.istiod: {error}")
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(folder / "socket"))
    door.listen()
    print("ready", flush=True)
    one_at_a_time = threading.Lock()
    while True:
        connection = door.accept()[0]
        threading.Thread(target=_converse, args=(world, folder, connection, one_at_a_time), daemon=True).start()


def _converse(world: World, folder: Path, connection: socket.socket, one_at_a_time: threading.Lock) -> None:
    """Answers one client; ends all when it says so, or when what the next answer would rest on is unknown."""
    with connection, connection.makefile("rw") as stream:
        for line in stream:
            question = json.loads(line)
            with one_at_a_time:
                try:
                    if question.get("stop"):
                        _end(world, folder)
                    answer = _answer(world, question)
                except BaseException as error:
                    traceback.print_exc()
                    _tell(stream, {"broken": f"{type(error).__name__}: {error}"})
                    _end(world, None)
            _tell(stream, answer)


def _end(world: World, folder: Path | None) -> NoReturn:
    """Stops the servers, and leaves nothing but, after a failure, the logs."""
    world.stop()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stderr.flush()
    os._exit(0 if folder else 1)


def _tell(stream: IO[str], answer: dict[str, Any]) -> None:
    with suppress(OSError):  # the client may have gone
        stream.write(json.dumps(answer) + "\n")
        stream.flush()


def _answer(world: World, question: dict[str, Any]) -> dict[str, Any]:
    return asdict(world.ask(question["ask"])) if question["ask"] else asdict(world.base)


def _prepare_namespaces(folder: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Gateways may bind to addresses that are not there.
    Path("/proc/sys/net/ipv4/ip_nonlocal_bind").write_text("1")
    names = folder / "resolv.conf"
    names.write_text("nameserver 127.0.0.1\n")  # nobody listens: names are not found, at once
    subprocess.run(["mount", "--bind", names, "/etc/resolv.conf"], check=True)


def _end_with_input() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the one who started it
    if "--keep" not in sys.argv:
        threading.Thread(target=_end_with_input, daemon=True).start()
    serve(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
