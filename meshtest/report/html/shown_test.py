"""One test as the page shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from meshtest.report import words
from meshtest.report.html.manifest import Manifest
from meshtest.report.html.shown_finding import ShownFinding
from meshtest.report.record import Test


@dataclass(frozen=True)
class ShownTest:
    """A test as the page shows it; `id` is its anchor, `place` its number in the order of collection."""

    __test__ = False

    test: Test
    place: int
    all_manifests: Sequence[Manifest]

    @cached_property
    def id(self) -> str:
        """`test-reviews-80-20-split-...`: readable, and no two are the same."""
        last = (
            self.test.nodeid.partition("::")[0].rpartition("/")[2].removesuffix(".py").removeprefix("test_")
            + "-"
            + self.test.name
        )
        plain = re.sub(r"[^a-z0-9]+", "-", last.lower())[:48].strip("-")
        return f"test-{plain}-{sha256(self.test.nodeid.encode(errors='backslashreplace')).hexdigest()[:6]}"

    @property
    def title(self) -> str:
        """What the test shows: its docstring's first sentence, or its name."""
        first = self.test.doc.partition("\n\n")[0].replace("\n", " ").strip()
        return first or self.test.name

    @property
    def theme(self) -> str:
        """The folder of the test, or its file if it is in none."""
        folder, _, file = self.test.nodeid.partition("::")[0].rpartition("/")
        return folder or file

    @property
    def subject(self) -> str:
        """The file of the test, and the resource whose rule decided (the first, of several)."""
        paths = [each["evidence"].get("path") for each in self.test.findings if each.get("evidence")]
        resources = [str(each["resource"]) for each in paths if each]
        return " · ".join([self.test.nodeid.partition("::")[0], *resources[:1]])

    @property
    def manifests(self) -> list[Manifest]:
        """What it applied."""
        return [self.all_manifests[each] for each in self.test.policies]

    @cached_property
    def findings(self) -> list[ShownFinding]:
        """The verdicts, those that are red first; and controls that nobody noticed."""
        shown = [*self.test.verdicts, *(each for each in self.test.controls if each["verdict"] != "VIOLATED")]
        ordered = sorted(shown, key=lambda each: each["verdict"] == "HOLDS")
        return [ShownFinding(each, self.manifests) for each in ordered]

    @property
    def requests(self) -> int:
        """Requests that decided, in all."""
        return sum(int(each["requests"]) for each in self.test.findings)

    @property
    def stated(self) -> str:
        """What must hold, for the table."""
        return words.stated(self.test.findings)

    @property
    def observed(self) -> str:
        """What was seen, for the table."""
        return words.observed(self.test.findings) or self.test.why
