"""One finding as the page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from meshtest.report import words
from meshtest.report.html import plot
from meshtest.report.html.manifest import CodeLine, Manifest, decided
from meshtest.report.html.path_picture import Picture, picture

_ROWS = 60  # of a table of evidence
_POLICIES = 4  # shown beside a verdict
_DECIDE = {
    **dict.fromkeys(("trips", "ejects", "ejected_for", "sticky"), ("DestinationRule", "trafficPolicy")),
    "permissions": ("AuthorizationPolicy", "spec"),
    "handshake": ("Gateway", "tls"),
}


@dataclass(frozen=True)
class ShownFinding:
    """A finding as the page shows it."""

    found: Mapping[str, Any]
    manifests: Sequence[Manifest]

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What explains the verdict."""
        return self.found.get("evidence") or {}

    @property
    def parts(self) -> list[Mapping[str, Any]]:
        """The evidence of each of several expectations of the same answers, or the one."""
        return list(self.evidence.get("all") or [self.evidence])

    @cached_property
    def path(self) -> Picture | None:
        """The picture of the path, if a rule decided."""
        path = self.evidence.get("path")
        return picture(path, self.evidence) if path else None

    @cached_property
    def rule(self) -> tuple[Manifest, list[CodeLine]] | None:
        """The manifest with the rule that decided, and the lines to show."""
        found = decided(self.manifests, self.evidence.get("path"))
        return None if found is None else (found[0], found[0].excerpt(found[1]))

    @cached_property
    def policies(self) -> list[tuple[Manifest, list[CodeLine]]]:
        """The resources that decided, where it was no rule of a VirtualService: with what is about it marked."""
        kind, field = _DECIDE.get(str(self.evidence.get("expectation")), ("", ""))
        found = [each for each in self.manifests if each.policy.kind == kind]
        return [(each, each.about(field)) for each in found[:_POLICIES]]

    @cached_property
    def plots(self) -> list[plot.Plot]:
        """What decided, as far as it can be drawn."""
        return [
            each for part in self.parts for each in _plots(part, str(self.found["verdict"])) if each
        ] + self._latency

    @property
    def _latency(self) -> list[plot.Plot]:
        seen: Mapping[str, Any] = self.evidence.get("latency") or {"by": "nothing"}
        bounds = [
            (f"p{part['percent']:g}", part["bound"]) for part in self.parts if part.get("expectation") == "latency"
        ]
        if seen["by"] == "version" or (bounds and "rows" in seen):
            return [plot.latencies(seen["rows"], seen["by"], bounds)]
        return []

    @property
    def arms(self) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
        """Tables of shares, each with the name of its first column; where one arm has all there is nothing to compare."""
        found = [(str(each.get("sorted_by", "version")), each["arms"]) for each in self.parts if each.get("arms")]
        return [(first, arms) for first, arms in found if len(arms) > 1]

    @property
    def tables(self) -> list[Sequence[Sequence[Any]]]:
        """Other figures, each a table with a first row of names."""
        return [each["table"][: _ROWS + 1] for each in self.parts if len(each.get("table") or ()) > 1]

    @property
    def causes(self) -> Mapping[str, Any] | None:
        """What the first proxy logged, if it was asked."""
        found: Mapping[str, Any] | None = self.evidence.get("causes")
        return found

    @property
    def warnings(self) -> list[str]:
        """What else is noticeable about the answers."""
        return [each for part in self.parts for each in part.get("warnings") or ()]

    @property
    def error_rates(self) -> str:
        """In words."""
        return words.error_rates(str(self.found["error_rates"]))


def _plots(part: Mapping[str, Any], verdict: str) -> Iterator[plot.Plot | None]:
    if part.get("course"):
        yield plot.evidence(part["course"], verdict)
    if part.get("arms") and len(part["arms"]) > 1:
        yield plot.shares(part["arms"])
    if part.get("loads"):
        yield plot.trips(part["loads"])
    if part.get("ejections"):
        yield plot.ejections(part["ejections"])
    if part.get("stages"):
        yield plot.stages(part["stages"], part["flow"])
