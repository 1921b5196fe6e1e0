"""Reads the proxies' access logs: what they said of requests with a token, and of TCP connections by the client's address.

Nothing is kept but how long each log was when a token was given out: what is asked for is read from there on.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from meshtest.errors import MeshError
from meshtest.meshes.access_log import READINESS, Entry, of_json
from meshtest.meshes.passage import Origin, Owner, Passages, next_proxy
from meshtest.meshes.protocol import Target
from meshtest.traffic.token import user_agent

DEADLINE = 20.0  # seconds; a line comes within the interval of flushing
_CHUNK = 1 << 20  # bytes read at once
_REMEMBERED = 10_000  # tokens and connections


@dataclass(frozen=True)
class _Mark:
    """Where requests were sent, and how long each log was before."""

    origin: Origin
    lengths: Mapping[str, int]


@dataclass
class _Reader:
    """Reads on in one proxy's log, and gives the lines that hold a text."""

    path: Path
    offset: int
    text: bytes
    _rest: bytes = field(default=b"", init=False)

    def more(self) -> Iterator[bytes]:
        """The whole lines that have come since the last time."""
        with open(self.path, "rb") as log:
            log.seek(self.offset)
            while chunk := log.read(_CHUNK):
                self.offset += len(chunk)
                whole, _, self._rest = (self._rest + chunk).rpartition(b"\n")
                if self.text in whole:
                    yield from (line for line in whole.split(b"\n") if self.text in line)


class AccessLogs:
    """The logs of all proxies of a mesh, by the proxies' names.

    `owners` says whose an address (`ip:port`) is; `ask` asks a proxy whether it is ready, with a `User-Agent`, and returns when it has
    answered.
    """

    def __init__(
        self,
        logs: Mapping[str, Path],
        owners: Callable[[], Mapping[str, Owner]],
        ask: Callable[[str, str], None],
    ) -> None:
        self._logs = logs
        self._owners = owners
        self._ask = ask
        self._questions = count()
        self._marks: OrderedDict[str, _Mark] = OrderedDict()

    def token(self, target: Target) -> str:
        """A new token, for requests that are sent there from now on."""
        token = secrets.token_hex(6)
        self._remember(token, target)
        return token

    def connected(self, target: Target, client: tuple[str, int]) -> None:
        """Note that there is a connection from this address."""
        self._remember(_written(client), target)

    def _remember(self, key: str, target: Target) -> None:
        lengths = {name: path.stat().st_size for name, path in self._logs.items()}
        self._marks.pop(key, None)  # ports of connections come again
        self._marks[key] = _Mark(Origin(target.proxy, target.source or "127.0.0.1"), lengths)
        if len(self._marks) > _REMEMBERED:
            self._marks.popitem(last=False)

    def first(self, token: str, numbers: Collection[int]) -> dict[int, Entry]:
        """What the first proxy said of requests with a token, by their numbers: of all these, and of others that have ended."""
        mark, question = self._mark(token), next(self._questions)
        proxy, names = mark.origin.proxy, self._names()
        reader, missing = self._reader(proxy, mark, user_agent(token, "")), set(numbers)
        found: dict[int, Entry] = {}
        asked: set[int] = set()

        def look() -> bool:
            for entry in (of_json(line, proxy, names) for line in reader.more()):
                if mark.origin.begins(entry):
                    found[entry.number] = entry
                    missing.discard(entry.number)
                elif entry.kind == READINESS:
                    asked.add(entry.number)
            return question in asked and not missing

        self._ask(proxy, user_agent(token, question))  # what ended before it is logged before it
        _await(look, lambda: f"{proxy} says nothing of {_some(missing) or 'the question that was put to it'}")
        return found

    def passages(self, token: str, numbers: Collection[int]) -> dict[int, list[Entry]]:
        """What all proxies said of these requests, in the order in which each reached them.

        Where a proxy has an answer of another one, that one's line is awaited; of copies (`mirror`) there is what has come.
        """
        mark, names = self._mark(token), self._names()
        text = user_agent(token, "" if len(numbers) != 1 else f'{next(iter(numbers))}"')
        readers = {name: self._reader(name, mark, text) for name in self._logs}
        passages = Passages(mark.origin, self._owners(), numbers)

        def look() -> bool:
            for name, reader in readers.items():
                for line in reader.more():
                    passages.add(of_json(line, name, names))
            return not passages.awaited

        _await(look, lambda: "; ".join(f"{name} says nothing of {n} requests" for name, n in passages.awaited.items()))
        return passages.in_order()

    def connection(self, client: tuple[str, int]) -> list[Entry]:
        """What all proxies said of a TCP connection from this address, once it has ended, in the order in which it reached them."""
        mark, owners = self._mark(_written(client)), self._owners()
        proxy, peer = mark.origin.proxy, _written(client)
        found: list[Entry] = []
        while proxy:
            entry = self._of_connection(proxy, peer, mark)
            found.append(entry)
            proxy, peer = next_proxy(entry, owners), entry.upstream_local_address
            if not peer or "UF" in entry.flags:
                break
        return found

    def _of_connection(self, proxy: str, peer: str, mark: _Mark) -> Entry:
        reader, names = self._reader(proxy, mark, f'"peer_address":"{peer}"'), self._names()
        found: list[Entry] = []

        def look() -> bool:
            found.extend(of_json(line, proxy, names) for line in reader.more())
            return bool(found)

        _await(look, lambda: f"{proxy} says nothing of a connection from {peer}, which is logged when it has ended")
        return found[-1]

    def _reader(self, proxy: str, mark: _Mark, text: str) -> _Reader:
        return _Reader(self._logs[proxy], mark.lengths[proxy], text.encode())

    def _names(self) -> dict[str, str]:
        return {address: owner.name for address, owner in self._owners().items()}

    def _mark(self, key: str) -> _Mark:
        if key not in self._marks:
            raise ValueError(
                f"{key} is no token or connection of this mesh, or too old: it knows the last {_REMEMBERED}"
            )
        return self._marks[key]


def _written(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def _await(look: Callable[[], bool], silent: Callable[[], str]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not look():
        if time.monotonic() > deadline:
            raise MeshError(
                f"access logs are not complete after {DEADLINE:g} s: {silent()}. A rule that changes User-Agent takes away what "
                "requests are told apart by; else look at the proxy"
            )
        time.sleep(0.002)


def _some(numbers: Collection[int]) -> str:
    shown = ", ".join(map(str, sorted(numbers)[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"{len(numbers)} requests (numbers {shown})" if numbers else ""
