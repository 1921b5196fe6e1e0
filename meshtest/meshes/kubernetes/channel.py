"""The command channel to the stand-in in a pod: JSON lines to a port of its loopback address."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from meshtest.errors import MeshError

Json = dict[str, Any]

DEADLINE = 20.0  # seconds for a reply; it takes a millisecond
_ATTEMPTS = 3  # connections over which a command is tried
_EXCHANGES = 32  # the last ones, of which the quickest tells the pod's clock
_CHUNK = 1 << 18


class Channel:
    """That of one pod, named by `namespace/name`; `connect` makes a connection to its port `COMMANDS`.

    What the pod is told is its owner's (a run's): it takes back by itself what it was told by one that stays away. Each command is obeyed
    once, also if a connection breaks meanwhile. MeshError if the stand-in refuses, or nobody answers, or the pod has forgotten what it was
    told. Threads take turns.
    """

    def __init__(self, connect: Callable[[], socket.socket], pod: str, owner: str) -> None:
        self._connect, self._pod, self._owner = connect, pod, owner
        self._turn = threading.Lock()
        self._socket: socket.socket | None = None
        self._rest = b""
        self._names = (f"{uuid.uuid4().hex}-{number}" for number in count())
        self._known = self._forgotten = False
        self._offsets: deque[tuple[float, float]] = deque(maxlen=_EXCHANGES)  # by how long an exchange took

    def __str__(self) -> str:
        return f"pod {self._pod}"

    def command(self, name: str, **members: Any) -> Json:
        """Give a command of `meshtest.bookinfo.control`; the reply."""
        with self._turn:
            reply = self._exchanged({"id": next(self._names), "command": name, **members})
        if "error" in reply:
            raise MeshError(f"the stand-in of {self} refuses to {name}: {reply['error']}")
        return reply

    def beat(self) -> None:
        """Let the pod know that its owner lives; what goes wrong with it the next command will say."""
        with self._turn:
            try:
                if self._socket is None:
                    self._greet()
                self._exchange({"id": next(self._names), "command": "ping"})
            except (MeshError, OSError, EOFError):
                self._hang_up()

    @property
    def offset(self) -> float:
        """What to add to a time of the pod's clock to have one of `time.monotonic()` here; right to a few milliseconds."""
        return min(self._offsets)[1]

    def close(self) -> None:
        """Hang up; the pod waits for a while, and then takes back what it was told."""
        with self._turn:
            self._hang_up()

    def _exchanged(self, message: Json) -> Json:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if self._socket is None:
                    self._greet()
                self._check_memory()
                return self._exchange(message)
            except (OSError, EOFError) as error:
                self._hang_up()
                if attempt == _ATTEMPTS:
                    said = str(error) or "it hung up"
                    raise MeshError(
                        f"the stand-in of {self} does not answer ({said}; tried {attempt} times): does it run one? "
                        "`meshtest bookinfo` prints manifests"
                    ) from error
            except BaseException:  # what interrupts leaves half a reply
                self._hang_up()
                raise
        raise AssertionError

    def _greet(self) -> None:
        self._socket = self._connect()
        self._socket.settimeout(DEADLINE)
        self._rest = b""
        reply = self._exchange({"id": next(self._names), "command": "hello", "owner": self._owner})
        if "error" in reply:
            raise MeshError(f"the stand-in of {self} wants nothing of {self._owner}: {reply['error']}")
        self._forgotten = self._forgotten or (self._known and not reply["resumed"])
        self._known = True

    def _check_memory(self) -> None:
        """MeshError, once, if the pod has forgotten what it was told."""
        forgotten, self._forgotten = self._forgotten, False
        if forgotten:
            raise MeshError(
                f"{self} has forgotten what it was told: its container was restarted, another run has it, or it could not be "
                "reached for long; `kubectl describe pod` tells"
            )

    def _exchange(self, message: Json) -> Json:
        assert self._socket is not None
        began = time.monotonic()
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        while (reply := self._read())["id"] not in (message["id"], None):
            pass  # of a command that was interrupted
        took = time.monotonic() - began
        self._offsets.append((took, began + took / 2 - reply["time"]))
        return reply

    def _read(self) -> Json:
        assert self._socket is not None
        pieces = [self._rest]
        while b"\n" not in pieces[-1]:
            data = self._socket.recv(_CHUNK)
            if not data:
                raise EOFError
            pieces.append(data)
        line, _, self._rest = b"".join(pieces).partition(b"\n")
        return dict(json.loads(line))

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
