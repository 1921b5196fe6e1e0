"""The access log of a proxy of the local mesh: a file of its own, with lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meshtest.meshes.access_log import Entry, of_json

_CHUNK = 1 << 20  # bytes read at once


@dataclass(frozen=True)
class LogFile:
    """`names` says which instance has an address (`ip:port`)."""

    path: Path
    proxy: str
    names: Callable[[], Mapping[str, str]]

    def end(self) -> int:
        """How long it is."""
        return self.path.stat().st_size

    def since(self, end: int, text: str) -> Callable[[], Iterable[Entry]]:
        """A reader of the lines that hold a text."""
        reader, names = _Reader(self.path, end, text.encode()), dict(self.names())
        return lambda: (of_json(line, self.proxy, names) for line in reader.more())


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
