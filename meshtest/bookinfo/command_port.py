"""The command channel of a pod: that of `meshtest.bookinfo.control` on a TCP port.

It knows one more command, which comes first: ``hello`` with an ``owner``. From then on the pod is that owner's; what others told it is
taken back, as is what this one tells it once it has stayed away for a while. The reply says whether it has ``resumed`` what it was. A
command that the owner repeats (by its ``id``) on another connection, since it lost the reply, is not obeyed again: the reply is.
Each reply has the ``time`` of the pod's clock (`time.monotonic`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

from meshtest.bookinfo.control import Message, obey, read_message
from meshtest.bookinfo.custody import Custody, Stay
from meshtest.bookinfo.host import Host
from meshtest.bookinfo.plan import PlanError

_LINE = 1 << 20  # bytes; a command has a behaviour or a certificate in it


class CommandPort:
    """Serves the commands."""

    def __init__(self, host: Host, custody: Custody) -> None:
        self._host, self._custody = host, custody
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._last: Message = {}

    async def open(self, port: int) -> asyncio.Server:
        """Listens on the loopback address."""
        return await asyncio.start_server(self._serve, "127.0.0.1", port, limit=_LINE)

    async def close(self) -> None:
        """Hangs up on all clients."""
        for writer in self._clients.values():
            writer.transport.abort()
        await asyncio.gather(*self._clients)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)
        stay: Stay | None = None
        with contextlib.suppress(OSError, ValueError):  # the client is gone, or its line too long
            try:
                stay, reply = await self._greet(await reader.readline())
                await _say(writer, reply)
                while stay is not None and (line := await reader.readline()):
                    await _say(writer, await self._obey(stay.owner, line))
            finally:
                if stay is not None:
                    self._custody.leave(stay)
                writer.close()

    async def _greet(self, line: bytes) -> tuple[Stay | None, Message]:
        """The connection of the owner that a first line names, and the reply to it."""
        try:
            message = read_message(line)
        except PlanError as error:
            return None, {"id": None, "error": str(error)}
        owner = message.get("owner")
        if message.get("command") != "hello" or not isinstance(owner, str) or not owner:
            return None, {"id": message.get("id"), "error": "the first command is hello, with an owner"}
        try:
            stay = await self._custody.enter(owner)
        except PlanError as error:
            return None, {"id": message.get("id"), "error": str(error)}
        if not stay.resumed:
            self._last = {}
        return stay, {"id": message.get("id"), "instances": self._host.names, "resumed": stay.resumed}

    async def _obey(self, owner: str, line: bytes) -> Message:
        if owner != self._custody.owner:
            return {"id": None, "error": f"{self._custody.owner} has taken over from {owner}"}
        with contextlib.suppress(PlanError):
            if self._last and read_message(line).get("id") == self._last["id"]:
                return self._last
        self._last = await obey(self._host, line)
        return self._last


async def _say(writer: asyncio.StreamWriter, reply: Message) -> None:
    writer.write(json.dumps({**reply, "time": time.monotonic()}).encode() + b"\n")
    await writer.drain()
