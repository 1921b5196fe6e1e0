"""What one run of a test says of a mutant: plain data, which travels with the test's report."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

KILLED, UNNOTICED, EQUIVALENT, REFUSED = "killed", "unnoticed", "equivalent", "refused"
EXCUSED, SILENT, BEGUN = "excused", "silent", "begun"
PROPERTY = "meshtest.mutant"


@dataclass(frozen=True)
class Note:
    """Of which module and mutant (and its place among all), how many tests are run for it, and what this one found, one of the words above.

    KILLED: the test is red because of it. UNNOTICED: it is green. EQUIVALENT: all proxies were sent the same. REFUSED: the
    mesh cannot run it. EXCUSED: the test does not promise to notice it. SILENT: the test asserts nothing of it. BEGUN: no
    more is known.
    """

    module: str
    mutant: str
    sentence: str
    where: str
    tests: int
    place: int
    found: str = BEGUN
    cause: str = ""

    def as_json(self) -> str:
        """As text, for a report's properties."""
        return json.dumps(asdict(self))


def note_of(properties: Iterable[tuple[str, object]]) -> Note | None:
    """The last one among a report's properties."""
    found = [value for name, value in properties if name == PROPERTY]
    return Note(**json.loads(str(found[-1]))) if found else None
