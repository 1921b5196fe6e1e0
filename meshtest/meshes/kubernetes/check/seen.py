"""What was read, or why it could not be: what is not seen is never taken to be fine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, Union

from meshtest.meshes.kubernetes.check.finding import UNKNOWN, Finding

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Unseen:
    """What could not be read: why, in the words of who refused it, and what would let it be seen."""

    reason: str
    remedy: str

    def finding(self, subject: str) -> Finding:
        """That it is not known."""
        return Finding(UNKNOWN, subject, f"not seen: {self.reason}", self.remedy)


Seen = Union[T, Unseen]  # noqa: UP007 - an alias with a parameter


def judged(seen: Seen[T], subject: str, judge: Callable[[T], Iterable[Finding]]) -> list[Finding]:
    """The findings of what was seen; of what was not, that it is unknown."""
    return [seen.finding(subject)] if isinstance(seen, Unseen) else list(judge(seen))


def judged_together(
    several: Sequence[Seen[T]], subject: str, judge: Callable[[list[T]], Iterable[Finding]]
) -> list[Finding]:
    """The findings of those that were seen, and one for all that were not: they mostly lack the same right."""
    seen = [each for each in several if not isinstance(each, Unseen)]
    unseen = [each for each in several if isinstance(each, Unseen)]
    found = list(judge(seen)) if seen else []
    return found + [each.finding(subject) for each in unseen[:1]]
