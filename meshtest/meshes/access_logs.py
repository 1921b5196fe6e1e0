"""What the proxies' access logs say of requests with a token, and of TCP connections by the client's address.

Nothing is kept but where each log ended when a token was given out: what is asked for is read from there on.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from meshtest.errors import MeshError
from meshtest.meshes.access_log import READINESS, Entry
from meshtest.meshes.passage import Origin, Owner, Passages, next_proxy
from meshtest.meshes.protocol import Target
from meshtest.traffic.token import user_agent

DEADLINE = 20.0  # seconds; a line comes within the interval of flushing
_PAUSE = 0.002  # seconds between two looks
_REMEMBERED = 10_000  # tokens and connections


@dataclass(frozen=True)
class _Mark:
    """Where requests were sent, and where each log ended before."""

    origin: Origin
    ends: Mapping[str, object]


class Log(Protocol):
    """One proxy's log."""

    def end(self) -> object:
        """Where it ends now."""

    def since(self, end: Any, text: str) -> Callable[[], Iterable[Entry]]:
        """A reader of the lines that hold a text, from a former end on; each call gives those that have come since the last."""


class AccessLogs:
    """The logs of all proxies of a mesh, by the proxies' names.

    `owners` says whose an address (`ip:port`) is. `ask` asks a proxy whether it is ready, with a `User-Agent`, and returns when it has
    answered: where there is none, lines are awaited of those requests only that are asked for.
    """

    def __init__(
        self,
        logs: Callable[[], Mapping[str, Log]],
        owners: Callable[[], Mapping[str, Owner]],
        ask: Callable[[str, str], None] | None = None,
    ) -> None:
        self._logs = logs
        self._owners = owners
        self._ask = ask
        self._questions = count()
        self._marks: OrderedDict[str, _Mark] = OrderedDict()

    def token(self, target: Target) -> str:
        """A new token, for requests that are sent there from now on."""
        token = secrets.token_hex(6)
        self._remember(token, self._marked(target))
        return token

    def connecting(self, target: Target) -> Callable[[tuple[str, int]], None]:
        """Before a connection is opened there; to be told its address then. One that is closed at once is logged before that."""
        mark = self._marked(target)
        return lambda client: self._remember(_written(client), mark)

    def _marked(self, target: Target) -> _Mark:
        ends = {name: log.end() for name, log in self._logs().items()}
        return _Mark(Origin(target.proxies, target.peer), ends)

    def _remember(self, key: str, mark: _Mark) -> None:
        self._marks.pop(key, None)  # ports of connections come again
        self._marks[key] = mark
        if len(self._marks) > _REMEMBERED:
            self._marks.popitem(last=False)

    def first(self, token: str, numbers: Collection[int]) -> dict[int, Entry]:
        """What the first proxy said of requests with a token, by their numbers: of all these, and of others that have ended."""
        mark, question = self._mark(token), next(self._questions)
        readers = [self._since(proxy, mark, user_agent(token, "")) for proxy in mark.origin.proxies]
        missing, unasked = set(numbers), set(mark.origin.proxies if self._ask else ())
        found: dict[int, Entry] = {}

        def look() -> bool:
            for entry in (entry for more in readers for entry in more()):
                if mark.origin.begins(entry):
                    found[entry.number] = entry
                    missing.discard(entry.number)
                elif entry.kind == READINESS and entry.number == question:
                    unasked.discard(entry.proxy)
            return not missing and not unasked

        if self._ask:
            for proxy in mark.origin.proxies:
                self._ask(proxy, user_agent(token, question))  # what ended before it is logged before it
        whose = " and ".join(mark.origin.proxies)
        self._await(look, lambda: f"{whose} says nothing of {_some(missing) or 'the question that was put to it'}")
        return found

    def passages(self, token: str, numbers: Collection[int]) -> dict[int, list[Entry]]:
        """What all proxies said of these requests, in the order in which each reached them.

        Where a proxy has an answer of another one, that one's line is awaited; of copies (`mirror`) there is what has come.
        """
        mark = self._mark(token)
        text = user_agent(token, "" if len(numbers) != 1 else f'{next(iter(numbers))}"')
        readers = [self._since(name, mark, text) for name in mark.ends]
        passages = Passages(mark.origin, self._owners(), numbers)

        def look() -> bool:
            for entry in (entry for more in readers for entry in more()):
                passages.add(entry)
            return not passages.awaited

        self._await(
            look, lambda: "; ".join(f"{name} says nothing of {n} requests" for name, n in passages.awaited.items())
        )
        return passages.in_order()

    def connection(self, client: tuple[str, int]) -> list[Entry]:
        """What all proxies said of a TCP connection from this address, once it has ended, in the order in which it reached them."""
        mark, owners = self._mark(_written(client)), self._owners()
        proxies, peer = mark.origin.proxies, _written(client)
        found: list[Entry] = []
        while proxies:
            entry = self._of_connection(proxies, peer, mark)
            found.append(entry)
            onward, peer = next_proxy(entry, owners), entry.upstream_local_address
            proxies = (onward,) if onward and peer and "UF" not in entry.flags else ()
        return found

    def _of_connection(self, proxies: Sequence[str], peer: str, mark: _Mark) -> Entry:
        readers = [self._since(proxy, mark, f'"peer_address":"{peer}"') for proxy in proxies]
        found: list[Entry] = []

        def look() -> bool:
            found.extend(entry for more in readers for entry in more())
            return bool(found)

        whose = " and ".join(proxies)
        self._await(
            look, lambda: f"{whose} says nothing of a connection from {peer}, which is logged when it has ended"
        )
        return found[-1]

    def _since(self, proxy: str, mark: _Mark, text: str) -> Callable[[], Iterable[Entry]]:
        return self._logs()[proxy].since(mark.ends[proxy], text)

    def _mark(self, key: str) -> _Mark:
        if key not in self._marks:
            raise ValueError(
                f"{key} is no token or connection of this mesh, or too old: it knows the last {_REMEMBERED}"
            )
        return self._marks[key]

    def _await(self, look: Callable[[], bool], silent: Callable[[], str]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not look():
            if time.monotonic() > deadline:
                raise MeshError(
                    f"access logs are not complete after {DEADLINE:g} s: {silent()}. A rule that changes User-Agent takes away "
                    "what requests are told apart by; else look at the proxy"
                )
            time.sleep(_PAUSE)


def _written(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def _some(numbers: Collection[int]) -> str:
    shown = ", ".join(map(str, sorted(numbers)[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"{len(numbers)} requests (numbers {shown})" if numbers else ""
