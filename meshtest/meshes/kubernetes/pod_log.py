"""The access log of a proxy in a pod, as `kubectl logs -f` has it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

from meshtest.errors import MeshError
from meshtest.meshes.access_log import Entry, of_json, of_text
from meshtest.meshes.kubernetes.api import Api, Follow
from meshtest.topology.instance import Instance
from meshtest.traffic.token import PREFIX

CONTAINER = "istio-proxy"
_OWN, _ISTIO = "{", "["  # how lines begin
_MOST = 500_000  # lines that are kept; a sample is asked about when it has come
_PATIENCE = 5.0  # seconds for its end
_AGAIN = 0.5  # seconds before a log that ended is followed again


class PodLog:
    """Follows the log from when it is first asked for. `names` says which instance has an address (`ip:port`).

    `detailed`: the proxy logs meshtest's own lines beside Istio's, and these are read.
    """

    def __init__(self, api: Api, instance: Instance, names: Callable[[], Mapping[str, str]], detailed: bool) -> None:
        self._api, self._instance, self._names, self._detailed = api, instance, names, detailed
        self._lines: list[str] = []
        self._dropped = 0  # lines before the first that is kept
        self._stream: Follow | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def end(self) -> int:
        """How many lines there have been."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._follow, name=f"meshtest log of {self._instance.name}", daemon=True
            )
            self._thread.start()
        return self._dropped + len(self._lines)

    def since(self, end: int, text: str) -> Callable[[], Iterable[Entry]]:
        """A reader of the lines that hold a text."""
        names, proxy = dict(self._names()), self._instance.full_name
        place = end

        def more() -> Iterator[Entry]:
            nonlocal place
            lines, dropped = self._lines, self._dropped
            found = lines[max(place - dropped, 0) :]
            place = dropped + len(lines)
            for line in found:
                if text in line:
                    yield (
                        of_json(line, proxy, names)
                        if self._detailed
                        else of_text(line, proxy, self._instance.gateway, names)
                    )

        return more

    def close(self) -> None:
        """Follow it no more."""
        self._closed.set()
        if self._stream is not None:
            self._stream.close()
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _follow(self) -> None:
        """Keep what is written; a stream that ends (a log that is rotated, an API server that goes) is taken up again."""
        seen: set[str] = set()
        while not self._closed.is_set():
            with contextlib.suppress(MeshError, OSError):
                self._stream = self._api.follow(self._instance.namespace, self._instance.name, CONTAINER, 60)
                if self._closed.is_set():  # since `close` looked for a stream
                    self._stream.close()
                for line in self._stream:
                    self._keep(line.decode("utf-8", "replace"), seen)
            seen = set(self._lines[-10_000:])
            self._closed.wait(_AGAIN)

    def _keep(self, line: str, seen: set[str]) -> None:
        if not self._concerns(line) or line in seen:
            return
        if len(self._lines) >= 2 * _MOST:
            self._lines, self._dropped = self._lines[_MOST:], self._dropped + _MOST
        self._lines.append(line)

    def _concerns(self, line: str) -> bool:
        """Whether it is a line of the kind that is read: of meshtest's own all, since those of connections have no token."""
        return (
            line.startswith(_OWN) and '"kind":' in line
            if self._detailed
            else line.startswith(_ISTIO) and PREFIX in line
        )
