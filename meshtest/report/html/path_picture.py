"""The picture of the path: where requests come from, the rule that decides them, where it sends them, and what was seen to come there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 460
_ROW, _BOX = 54, 40
_COLUMNS = ((2, 122), (156, 132), (320, 138))  # begin and width of source, rule, destinations
_SOURCE, _RULE, _DESTINATION = 16, 18, 19  # characters that fit


@dataclass(frozen=True)
class Node:
    """A box with a line or two of text."""

    x: int
    y: float
    width: int
    first: str
    second: str
    style: str = ""

    @property
    def middle(self) -> float:
        """Its height in the picture."""
        return self.y + _BOX / 2


@dataclass(frozen=True)
class Edge:
    """A curve from one box to another, as thick as its share."""

    path: str
    thickness: float
    style: str


@dataclass(frozen=True)
class Picture:
    """Boxes and curves; `caption` says the same in words."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    caption: str
    height: float
    width: int = WIDTH


@dataclass(frozen=True)
class _Way:
    """A way out of the rule; shares are 0..1, None if they are not known."""

    name: str
    configured: float | None
    observed: float | None

    @property
    def figures(self) -> str:
        if self.configured is None:
            return f"{_percent(self.observed)}, not configured"
        seen = f"{_percent(self.observed)} of " if self.observed is not None else ""
        return f"{seen}{_percent(self.configured)}"


def picture(path: Mapping[str, Any], evidence: Mapping[str, Any]) -> Picture:
    """The picture of a finding's path, with the shares that its evidence has."""
    ways = list(_ways(path["destinations"], evidence.get("arms", ()), evidence.get("expectation") == "split"))
    height = max(len(ways), 1) * _ROW + 8
    centre = height / 2 - _BOX / 2
    (left, wide), (middle, wider), (right, widest) = _COLUMNS
    source = Node(left, centre, wide, _fitting(str(path["source"]).removeprefix("the "), _SOURCE), "")
    kind, _, name = str(path["resource"]).partition(" ")
    rule = Node(middle, centre, wider, _fitting(name or kind, _RULE), str(path["field"]), "rule")
    ends = [
        Node(
            right,
            4 + n * _ROW + (_ROW - _BOX) / 2,
            widest,
            _fitting(each.name, _DESTINATION),
            each.figures,
            _style(each),
        )
        for n, each in enumerate(ways)
    ]
    edges = [_edge(source, rule, 1.0, "")]
    edges += [_edge(rule, end, _thick(way), _style(way)) for way, end in zip(ways, ends, strict=True)]
    return Picture((source, rule, *ends), tuple(edges), _caption(path, ways), height)


def _ways(sent: Sequence[Mapping[str, Any]], arms: Sequence[Mapping[str, Any]], split: bool) -> Iterator[_Way]:
    """Where the rule sends requests, then who else answered."""
    seen = {str(each["arm"]): each["observed"] for each in arms} if split else {}
    subsets = [each["subset"] for each in sent]
    for each in sent:
        host = each["host"].partition(".")[0]
        sure = subsets.count(each["subset"]) == 1
        yield _Way(f"{host} {each['subset']}".strip(), each["share"], seen.get(each["subset"]) if sure else None)
    if any(each in seen for each in subsets):
        yield from (_Way(name, None, share) for name, share in seen.items() if name not in subsets and share)


def _edge(begin: Node, end: Node, share: float, style: str) -> Edge:
    x1, y1, x2, y2 = begin.x + begin.width, begin.middle, end.x, end.middle
    half = (x1 + x2) / 2
    return Edge(f"M{x1} {y1:g}C{half:g} {y1:g} {half:g} {y2:g} {x2} {y2:g}", round(1 + 7 * share, 1), style)


def _thick(way: _Way) -> float:
    share = way.observed if way.observed is not None else way.configured
    return share or 0.0


def _style(way: _Way) -> str:
    return "stray" if way.configured is None else "idle" if not _thick(way) else ""


def _caption(path: Mapping[str, Any], ways: Sequence[_Way]) -> str:
    sent = "; ".join(f"{each.name} ({each.figures})" for each in ways) or "nowhere: it answers itself"
    seen = ", observed of configured" if any(each.observed is not None for each in ways) else ""
    return f"From {path['source']} by {path['resource']} {path['field']} to {sent}{seen}."


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.3g} %"


def _fitting(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
