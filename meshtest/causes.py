"""Samples that know causes: a driver whose requests carry a token, and what the proxies logged of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from meshtest.meshes.access_log import Entry
from meshtest.meshes.protocol import Mesh, Target
from meshtest.traffic.cause import Cause
from meshtest.traffic.driver import Driver
from meshtest.traffic.payload import NUMBER
from meshtest.traffic.request import Request
from meshtest.traffic.sample import Sample
from meshtest.traffic.token import user_agent


class Explained:
    """A driver that looks up what the first proxy logged of each of its requests."""

    def __init__(self, driver: Driver, mesh: Mesh, target: Target) -> None:
        self._driver = driver
        self._mesh = mesh
        self._target = target

    def run(self, what: Request, n: int | None = None, **options: Any) -> Sample:
        """As `Driver.run`; the sample has causes. ValueError for a request with a `User-Agent` of its own."""
        if (own := what.header("User-Agent")) is not None:
            raise ValueError(
                f"causes are found by the User-Agent that meshtest gives to requests, and this one has its own: {own!r}; "
                "leave it out, or ask without causes"
            )
        token = self._mesh.token(self._target)
        sample = self._driver.run(what, n, user_agent=user_agent(token, NUMBER), **options)
        return _explained(sample, self._mesh, token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver.close()


def _explained(sample: Sample, mesh: Mesh, token: str) -> Sample:
    """Each answered request has its line; one without an answer may have one."""
    answered = [number for number, error in enumerate(sample.error) if error is None]
    found = mesh.logged(token, answered)
    causes = [found.get(number) for number in range(len(sample))]
    return replace(sample, causes=causes, passages=lambda wanted: passages(mesh, wanted))


def passages(mesh: Mesh, wanted: Sequence[Cause]) -> list[Sequence[Entry]]:
    """What all proxies logged of the requests that these lines are of."""
    numbers: dict[str, list[int]] = {}
    for cause in wanted:
        numbers.setdefault(cause.token, []).append(cause.number)
    found = {token: mesh.passages(token, asked) for token, asked in numbers.items()}
    return [found[cause.token][cause.number] for cause in wanted]
