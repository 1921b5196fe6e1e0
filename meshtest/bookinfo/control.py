"""The command channel: JSON lines on standard input, one JSON line of reply each on standard output.

The first line is the plan; its reply is ``{"listening": [{"name", "address": [ip, port]}, ...]}`` or
``{"error": "..."}``. The rest are commands, obeyed one after the other: ``{"id": 1, "command": "add", ...}``, answered
``{"id": 1, ...}`` or ``{"id": 1, "error": "..."}``.

| command | members | reply |
|---|---|---|
| ``ping`` | | ``{"instances": [names]}`` |
| ``add`` | ``instances`` as in the plan | ``{"listening": [...]}`` |
| ``remove`` | ``instances``: names | ``{"removed": [names]}`` |
| ``call`` | ``upstreams``: those of instances, by name, as in the plan | ``{"calling": [names]}`` |
| ``behave`` | ``instances``; ``number``, by which it is known; ``behaviour`` (`meshtest.bookinfo.behaviour`) | ``{}`` |
| ``recover`` | ``instances``; ``numbers`` of behaviours, all if left out | ``{"decided": count}`` of requests |
| ``release`` | ``instances``, ``number``; ``most`` requests, all if left out | ``{"released": count}`` |
| ``waiting`` | ``instances``, ``number`` | ``{"waiting": {name: [seconds]}}`` that each held request has waited, the longest first |
| ``observe`` | ``instances`` | ``{"observed": {name: counters}}`` |
| ``record`` | ``instances``, ``number`` | ``{}`` |
| ``recorded`` | ``instances``, ``number``; ``end`` the recording if true | ``{"recorded": {name: [requests]}}`` |
| ``crash``, ``restart`` | ``instances`` | ``{}`` |
| ``unready``, ``ready`` | ``instances``; what a pod's probe is answered (`meshtest.bookinfo.pod`) | ``{}`` |
| ``prove`` | ``authority``: certificate and key (PEM); ``folder`` for keys, or the usual; ``trusted`` clients (PEM) | ``{}`` |

TLS is hung up on until ``prove`` has said with what to speak it.

One more command is one more entry in ``COMMANDS``.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping

from meshtest.bookinfo.behaviour import read_behaviour
from meshtest.bookinfo.host import Host
from meshtest.bookinfo.plan import PlanError, read_instances, read_upstreams

Message = Mapping[str, object]

_CHUNK = 64 * 1024


async def _ping(host: Host, message: Message) -> Message:
    return {"instances": host.names}


async def _add(host: Host, message: Message) -> Message:
    return {"listening": await host.add(read_instances(message))}


async def _remove(host: Host, message: Message) -> Message:
    names = read_names(message)
    host.remove(names)
    return {"removed": names}


async def _call(host: Host, message: Message) -> Message:
    given = message.get("upstreams")
    if not isinstance(given, dict):
        raise PlanError(f"upstreams is an object of instances by name, not {given!r}")
    host.call({name: read_upstreams(each, f"upstreams[{name!r}]") for name, each in given.items()})
    return {"calling": list(given)}


async def _prove(host: Host, message: Message) -> Message:
    from meshtest.authority import Authority
    from meshtest.bookinfo.tls import Certificates

    pair, trusted = message.get("authority"), message.get("trusted", "")
    folder = message.get("folder", tempfile.gettempdir())
    if (
        not isinstance(pair, list)
        or len(pair) != 2
        or not all(isinstance(each, str) for each in (*pair, folder, trusted))
    ):
        raise PlanError("prove takes authority: [certificate, key], a folder, and trusted, all texts")
    host.certificates = Certificates(Authority(*pair), str(folder), str(trusted))
    return {}


async def _behave(host: Host, message: Message) -> Message:
    try:
        behaviour = read_behaviour(message.get("behaviour"))
    except (TypeError, ValueError) as error:
        raise PlanError(str(error)) from error
    host.behave(read_names(message), _number(message, "number"), behaviour)
    return {}


async def _recover(host: Host, message: Message) -> Message:
    numbers = message.get("numbers")
    if numbers is not None and (not isinstance(numbers, list) or not all(isinstance(each, int) for each in numbers)):
        raise PlanError(f"numbers is a list of numbers, not {numbers!r}")
    return {"decided": host.recover(read_names(message), numbers)}


async def _release(host: Host, message: Message) -> Message:
    most = None if message.get("most") is None else _number(message, "most")
    return {"released": host.release(read_names(message), _number(message, "number"), most)}


async def _waiting(host: Host, message: Message) -> Message:
    return {"waiting": host.waiting(read_names(message), _number(message, "number"))}


async def _observe(host: Host, message: Message) -> Message:
    return {"observed": host.observe(read_names(message))}


async def _record(host: Host, message: Message) -> Message:
    host.record(read_names(message), _number(message, "number"))
    return {}


async def _recorded(host: Host, message: Message) -> Message:
    found = host.recorded(read_names(message), _number(message, "number"), message.get("end") is True)
    return {"recorded": found}


async def _crash(host: Host, message: Message) -> Message:
    host.crash(read_names(message))
    await asyncio.sleep(0)  # connections are reset in the loop's next round, and so before the reply
    return {}


async def _restart(host: Host, message: Message) -> Message:
    await host.restart(read_names(message))
    return {}


async def _unready(host: Host, message: Message) -> Message:
    host.set_ready(read_names(message), False)
    return {}


async def _ready(host: Host, message: Message) -> Message:
    host.set_ready(read_names(message), True)
    return {}


COMMANDS: Mapping[str, Callable[[Host, Message], Awaitable[Message]]] = {
    "ping": _ping,
    "add": _add,
    "remove": _remove,
    "call": _call,
    "behave": _behave,
    "recover": _recover,
    "release": _release,
    "waiting": _waiting,
    "observe": _observe,
    "record": _record,
    "recorded": _recorded,
    "crash": _crash,
    "restart": _restart,
    "unready": _unready,
    "ready": _ready,
    "prove": _prove,
}


def read_names(message: Message) -> list[str]:
    """The names in the member ``instances`` of a command. Raises `PlanError`."""
    names = message.get("instances")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise PlanError(f"instances is a list of names of instances, not {names!r}")
    return names


def _number(message: Message, member: str) -> int:
    number = message.get(member)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise PlanError(f"{member} is a number, 0 or more, not {number!r}")
    return number


async def obey(host: Host, line: bytes) -> Message:
    """The reply to one command line; what is wrong with it is in the reply's ``error``."""
    try:
        message = read_message(line)
    except PlanError as error:
        return {"id": None, "error": str(error)}
    name = message.get("command")
    command = COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        return {"id": message.get("id"), "error": f"unknown command {name!r}; there are {', '.join(sorted(COMMANDS))}"}
    try:
        return {"id": message.get("id"), **await command(host, message)}
    except PlanError as error:
        return {"id": message.get("id"), "error": str(error)}


def read_message(line: bytes) -> dict[str, object]:
    """The JSON object of a line. Raises `PlanError`."""
    try:
        message = json.loads(line)
    except ValueError as error:
        raise PlanError(f"not a line of JSON: {error}") from error
    if not isinstance(message, dict):
        raise PlanError(f"a line holds one JSON object, not {message!r}")
    return message


def write(message: Message) -> None:
    """Writes one line to standard output, past Python's buffers. Raises ``OSError`` when nobody reads any more."""
    line = json.dumps(message).encode() + b"\n"
    while line:
        line = line[os.write(1, line) :]


class Lines:
    """Standard input line by line, in the event loop. `get` gives None at the end of the input."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        try:
            asyncio.get_running_loop().add_reader(descriptor, self._read)
        except PermissionError as error:  # epoll takes no regular file, and its end would come at once
            raise PlanError("standard input is a pipe (its end stops the process), not a file") from error

    async def get(self) -> bytes | None:
        """The next line."""
        return await self._lines.get()

    def _read(self) -> None:
        data = os.read(self._descriptor, _CHUNK)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                self._lines.put_nowait(line)
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._lines.put_nowait(None)
