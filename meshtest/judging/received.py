"""The expectation that every request arrives as stated: its method, path, host and headers, as a workload says that it saw them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from meshtest.judging.altered import Altered
from meshtest.judging.answers import Answer, Reading
from meshtest.judging.control import RULE, Control, Edit
from meshtest.judging.expectation import Composable
from meshtest.judging.sequential import EveryTrial
from meshtest.judging.spoiled import Spoiled
from meshtest.judging.text import Text, clipped, fits, named
from meshtest.resources.edit import Put


@dataclass(frozen=True)
class Received(Composable):
    """Every request arrives as stated; what is None is not looked at. A header of None must be missing.

    `within` (percentage points): a mesh in which so many or more arrive otherwise is called HOLDS with a probability of `beta` at the most;
    one that is right is never called VIOLATED.
    """

    method: Text | None = None
    path: Text | None = None
    host: Text | None = None
    headers: Mapping[str, Text | None] = field(default_factory=lambda: MappingProxyType({}))
    within: float = 1
    beta: float = 1e-3

    causes = False

    def reading(self, version: Reading) -> Reading:
        """What differs, in a few words; an empty text if nothing does."""
        return self._differs

    def _differs(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str:
        seen = _seen(body)
        if seen is None:
            return f"{status} from what does not say what it saw: {clipped(body.decode('utf-8', 'replace'))!r}"
        return ", ".join(self._differences(seen))

    def _differences(self, seen: Mapping[str, Any]) -> Iterator[str]:
        for what, wanted in self._line:
            if not fits(wanted, seen[what]):
                yield f"{what} {seen[what]}"
        for name, text in self.headers.items():
            if not fits(text, given := seen["headers"].get(name.lower())):
                yield f"{name}: {named(given)}"

    @property
    def _line(self) -> list[tuple[str, Text]]:
        """What is stated besides headers."""
        stated = (("method", self.method), ("path", self.path), ("host", self.host))
        return [(what, wanted) for what, wanted in stated if wanted is not None]

    def begin(self) -> EveryTrial:
        """A new trial; ValueError for senseless figures."""
        from meshtest.judging.split_test import SplitTest

        return EveryTrial(SplitTest({self.configured: 100}, self.within, beta=self.beta), self._sort, self.configured)

    def _sort(self, answer: Answer) -> str:
        """As stated, or what came instead."""
        return answer.version or self.configured

    def strict(self) -> Received:
        """The same with a miss rate of 1e-6, for its controls: they must not flake either."""
        return replace(self, beta=1e-6)

    def controls(self) -> list[Control]:
        """Meshes in which so many requests as `within` says do not arrive, or with another header; paths and hosts are altered in all."""
        found = [Control(f"{self.within:g} % aborted", (Edit(RULE, Spoiled(418, self.within)),))]
        found += [self._other_header(*each) for each in self.headers.items()]
        found += [_rewritten("uri", "/altered-by-the-control")] if self.path is not None else []
        found += [_rewritten("authority", "altered-by-the-control")] if self.host is not None else []
        return found

    def _other_header(self, name: str, wanted: Text | None) -> Control:
        value = "altered" if wanted is None else None
        what = f"without {name}" if value is None else f"with {name}: {value}"
        return Control(f"{self.within:g} % {what}", (Edit(RULE, Altered(name, value, self.within)),))

    @property
    def configured(self) -> str:
        """`GET /new with x-a: b`."""
        line = [f"{what} {named(wanted)}" for what, wanted in self._line]
        return ", ".join([*line, *(f"{name}: {named(wanted)}" for name, wanted in self.headers.items())])

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong, and a mesh wrong by the margin right."""
        return f"0 / {self.beta:g}"

    def __str__(self) -> str:
        return f"received with {self.configured} (but for less than {self.within:g} %)"


def _rewritten(what: str, text: str) -> Control:
    return Control(f"all with the {what} {text}", (Edit(RULE, Put(("rewrite",), {what: text})),))


def _seen(body: bytes) -> Mapping[str, Any] | None:
    """What the body says of the request; None if it says nothing of it."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    says = isinstance(found, dict) and isinstance(found.get("headers"), dict)
    return found if says and all(isinstance(found.get(each), str) for each in ("method", "path", "host")) else None


def received(
    *,
    method: Text | None = None,
    path: Text | None = None,
    host: Text | None = None,
    headers: Mapping[str, Text | None] | None = None,
    within: float = 1,
    beta: float = 1e-3,
) -> Received:
    """Every request arrives as stated: `received(path="/new", host="shop.example.com", headers={"x-stage": "canary", "cookie": None})`.

    * ``path``     as on the request line, with its query
    * ``host``     the authority that was asked for
    * ``headers``  None for one that must be missing; several of a name are joined by ", "

    Each is an exact text, or an expression (`re.compile`) that matches it as a whole. The workload must answer with what it saw, in JSON
    with `method`, `path`, `host` and `headers` (an object, names in lower case), as stand-ins for other workloads than Bookinfo's do.
    `within` is in percentage points: so many may arrive otherwise before it matters. ValueError for what makes no sense.
    """
    if method is None and path is None and host is None and not headers:
        raise ValueError("say how requests arrive: with which method, path, host or headers")
    made = Received(method, path, host, MappingProxyType(dict(headers or {})), within, beta)
    made.begin()  # senseless figures are said where they are written
    return made
