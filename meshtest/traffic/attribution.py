"""Which version of a workload answered: values that read it from an answer.

An attribution is called with ``(status, headers, body)`` of one answer, header names in lower case, and returns the
version or None. None is an answer without a version (Envoy's own 503, a page without the mark), which a sample counts
as an arm of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

RawHeaders = Sequence[tuple[bytes, bytes]]

_CACHE_LIMIT = 4096
_PODNAME = re.compile(rb'"podname"\s*:\s*"([^"\\]{1,253})"|Reviews served by:\s*([A-Za-z0-9.-]{1,253})')
# The two random parts of a Deployment's pod (ReplicaSet hash, pod suffix), else the ordinal of a StatefulSet's.
_POD_SUFFIX = re.compile(r"-[a-z0-9]{6,10}-[a-z0-9]{3,5}$|-\d{1,4}$")
_VERSION = re.compile(r"(?:^|-)(v(?:\d|-[a-z])[a-z0-9.-]*)$")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


class Attribution(Protocol):
    """Reads the version from an answer; a frozen value, so that two of them can be compared and printed."""

    def __call__(self, status: int, headers: RawHeaders, body: bytes, /) -> str | None:
        """The version that answered, or None when the answer does not say."""


def by_podname() -> Attribution:
    """The version in Bookinfo's ``podname``: ``reviews-v2-545db77b95-x7k2p`` is ``v2``.

    Finds the first JSON member ``podname`` of the body, or productpage's "Reviews served by:". The version is what
    follows the app in the Deployment's name, from ``v<digit>`` (or ``v-<word>``, as ratings-v-faulty) on.
    """
    return ByPodname()


def by_header(name: str) -> Attribution:
    """The value of a response header; None when it is missing or empty."""
    return ByHeader(name.lower())


def by_json(path: str) -> Attribution:
    """The string or number at a path of a JSON answer: ``$.a.b``, ``a.b[0].c``. ``ValueError`` for other forms."""
    return ByJson(path)


def by_body(pattern: str) -> Attribution:
    """The group of a regular expression searched in the body. Raises ``ValueError`` unless it has exactly one group."""
    return ByBody(pattern)


def by_line() -> Attribution:
    """The version in the first word of a line, as echoes of TCP begin: that of a pod's name, else the word itself; None without one."""
    return ByLine()


def version_of_pod(podname: str) -> str | None:
    """The version in a pod's name, None without one: ``ratings-v2-mysql-6b5c7d8f9-x7k2p`` is ``v2-mysql``."""
    found = _VERSION.search(_POD_SUFFIX.sub("", podname, count=1))
    return found.group(1) if found else None


@dataclass(frozen=True)
class ByPodname:
    """See `by_podname`."""

    _versions: dict[bytes, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, status: int, headers: RawHeaders, body: bytes) -> str | None:
        """The version of the pod that the body names."""
        # A regular expression costs 1 us, a JSON parser ten. No JSON string can fake the mark: its quotes are escaped.
        found = _PODNAME.search(body)
        if found is None:
            return None
        name = found.group(1) or found.group(2)
        try:
            return self._versions[name]
        except KeyError:
            return _remember(self._versions, name, version_of_pod(name.decode("ascii", "replace")))

    def __str__(self) -> str:
        return "by the pod's name"


@dataclass(frozen=True)
class ByLine:
    """See `by_line`."""

    def __call__(self, status: int, headers: RawHeaders, body: bytes) -> str | None:
        """The version of the pod that the line begins with, or its first word."""
        word = body.partition(b" ")[0].strip().decode("utf-8", "replace")
        return version_of_pod(word) or word or None

    def __str__(self) -> str:
        return "by the first word of the line"


@dataclass(frozen=True)
class ByHeader:
    """See `by_header`."""

    name: str

    def __call__(self, status: int, headers: RawHeaders, body: bytes) -> str | None:
        """The first value of the header."""
        wanted = self.name.encode()
        for name, value in headers:
            if name == wanted:
                return value.decode("latin-1").strip() or None
        return None

    def __str__(self) -> str:
        return f"by the header {self.name}"


@dataclass(frozen=True)
class ByJson:
    """See `by_json`."""

    path: str
    _steps: tuple[str | int, ...] = field(default=(), init=False, repr=False, compare=False)
    _versions: dict[bytes, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_steps", _steps(self.path))

    def __call__(self, status: int, headers: RawHeaders, body: bytes) -> str | None:
        """The string or number at the path."""
        try:
            return self._versions[body]
        except KeyError:
            return _remember(self._versions, body, self._read(body))

    def _read(self, body: bytes) -> str | None:
        try:
            value = json.loads(body)
            for step in self._steps:
                value = value[step]
        except (ValueError, LookupError, TypeError, RecursionError):
            return None
        return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None

    def __str__(self) -> str:
        return f"by {self.path} of the JSON"


@dataclass(frozen=True)
class ByBody:
    """See `by_body`."""

    pattern: str
    _compiled: re.Pattern[bytes] = field(default=_PODNAME, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            compiled = re.compile(self.pattern.encode())
        except re.error as error:
            raise ValueError(f"not a regular expression: {self.pattern!r}: {error}") from error
        if compiled.groups != 1:
            raise ValueError(f"the version is the one group of the expression; {self.pattern!r} has {compiled.groups}")
        object.__setattr__(self, "_compiled", compiled)

    def __call__(self, status: int, headers: RawHeaders, body: bytes) -> str | None:
        """The group of the first match."""
        found = self._compiled.search(body)
        return found.group(1).decode("utf-8", "replace") if found and found.group(1) is not None else None

    def __str__(self) -> str:
        return f"by the body's {self.pattern!r}"


def _steps(path: str) -> tuple[str | int, ...]:
    inner = path.removeprefix("$")
    steps: list[str | int] = []
    position = 0
    while found := _STEP.match(inner, position):
        steps.append(found.group(1) if found.group(1) is not None else int(found.group(2)))
        position = found.end()
    if position != len(inner) or not steps:
        raise ValueError(f"not a path into JSON: {path!r}; write $.a.b or a.b[0].c")
    return tuple(steps)


def _remember(versions: dict[bytes, str | None], key: bytes, version: str | None) -> str | None:
    if len(versions) >= _CACHE_LIMIT:  # an answer that differs every time must not fill the memory
        versions.clear()
    versions[key] = version
    return version
