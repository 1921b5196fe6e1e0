"""What the proxies' access logs say of the requests of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from meshtest.meshes.access_log import Entry
from meshtest.meshes.protocol import Mesh, Target
from meshtest.traffic.cause import Cause
from meshtest.traffic.payload import NUMBER
from meshtest.traffic.sample import Sample
from meshtest.traffic.token import user_agent


class LogWitness:
    """Gives a driver's requests a token in each run, and looks up what the first proxy there logged of them."""

    def __init__(self, mesh: Mesh, target: Target) -> None:
        self._mesh = mesh
        self._target = target
        self._token = ""

    def user_agent(self) -> str:
        """With a new token."""
        self._token = self._mesh.token(self._target)
        return user_agent(self._token, NUMBER)

    def explained(self, sample: Sample) -> Sample:
        """Each answered request has its line; one without an answer may have one. MeshError if the proxy stays silent."""
        answered = [number for number, error in enumerate(sample.error) if error is None]
        found = self._mesh.logged(self._token, answered)
        causes = [found.get(number) for number in range(len(sample))]
        return replace(sample, causes=causes, passages=self._passages)

    def _passages(self, wanted: Sequence[Cause]) -> list[Sequence[Entry]]:
        """What all proxies logged of the requests that these lines are of."""
        numbers: dict[str, list[int]] = {}
        for cause in wanted:
            numbers.setdefault(cause.token, []).append(cause.number)
        found = {token: self._mesh.passages(token, asked) for token, asked in numbers.items()}
        return [found[cause.token][cause.number] for cause in wanted]
