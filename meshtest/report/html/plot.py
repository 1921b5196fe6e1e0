"""Plots as geometry, which a template draws as SVG: what speaks for and against, shares, latencies, and what happened when.

Own geometry, and no plotting library: matplotlib and Vega (vl-convert) make 15 KB and take 160 ms a plot, these take 2 KB and less than a
millisecond; 300 tests must fit into 3 MB, and nobody waits a minute for a report at the end of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from meshtest.report.html.scale import Scale

WIDTH = 460.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 12.0, 12.0, 38.0
_ROW = 30.0
_NAME = 12  # characters of a row's name that fit


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    style: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Dot:
    """A point, with what it is for a pointer that rests on it."""

    style: str
    x: float
    y: float
    title: str = ""


@dataclass(frozen=True)
class Text:
    """A text; whether it begins, ends or has its middle there is the style's."""

    style: str
    x: float
    y: float
    text: str


@dataclass
class Plot:
    """A plot: `title` names it, `caption` says in words what is to be seen; `keys` explains styles.

    `lines` are paths by their style: all lines of a style are one path, which is what keeps a plot small.
    """

    title: str
    caption: str
    height: float
    width: float = WIDTH
    lines: dict[str, str] = field(default_factory=dict)
    boxes: list[Box] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)

    def line(self, style: str, *points: tuple[float, float]) -> None:
        """Add a line."""
        path = f"M{points[0][0]:g} {points[0][1]:g}" + "".join(
            f"l{round(x2 - x1, 1):g} {round(y2 - y1, 1):g}" for (x1, y1), (x2, y2) in pairwise(points)
        )
        self.lines[style] = self.lines.get(style, "") + path

    def x_axis(self, scale: Scale, name: str, unit: str = "", grid: bool = True) -> None:
        """Ticks and their figures below, and what they count."""
        bottom = self.height - _BOTTOM
        for tick in scale.ticks():
            if grid:
                self.line("grid", (scale(tick), _TOP), (scale(tick), bottom))
            self.texts.append(Text("tick", scale(tick), bottom + 15, f"{figure(tick)}{unit}"))
        self.line("axis", (scale.begin, bottom), (scale.end, bottom))
        self.texts.append(Text("name", (scale.begin + scale.end) / 2, self.height - 6, name))


def figure(value: float) -> str:
    """A figure with its thousands apart."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:g}"


def evidence(course: Mapping[str, Any], verdict: str) -> Plot:
    """What spoke for the configured weights and against them after so many requests, and where either is enough."""
    needed, enough = course["holds_at"], course["violated_at"]
    last = course["requests"][-1]
    plot = Plot("Evidence over requests", _course_said(course, verdict), 220)
    x = Scale(0, last, _LEFT, WIDTH - _RIGHT)
    y = Scale(-3.2, max(needed, enough) + 1.2, plot.height - _BOTTOM, _TOP)
    for tick in (-3, 0, 3, 6):
        if tick <= y.high:
            plot.line("grid", (_LEFT, y(tick)), (WIDTH - _RIGHT, y(tick)))
            plot.texts.append(Text("tick end", _LEFT - 6, y(tick) + 4, _odds(tick)))
    for style, at, name in (("good", needed, "enough for HOLDS"), ("bad", enough, "enough for VIOLATED")):
        plot.line(f"{style} boundary", (_LEFT, y(at)), (WIDTH - _RIGHT, y(at)))
        plot.texts.append(Text(f"{style} label", _LEFT + 6, y(at) - 5, name))
    for style, name in (("good", "holds"), ("bad", "against")):
        curve = [(round(x(n)), round(y(each))) for n, each in zip(course["requests"], course[name], strict=True)]
        plot.line(f"{style} curve", *_thinned(curve))
    plot.x_axis(x, "requests", grid=False)
    plot.keys = [("good", "that each share is within its margin"), ("bad", "against the configured weights")]
    return plot


def _thinned(curve: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every other point, and the last: the screen shows no more."""
    return [*curve[:-1:2], curve[-1]]


def _odds(decimal: int) -> str:
    """An axis label of a decimal logarithm of odds."""
    return "1:1" if decimal == 0 else f"10{''.join(_SUPERSCRIPT[each] for each in str(decimal))}"


_SUPERSCRIPT = dict(zip("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True))


def _course_said(course: Mapping[str, Any], verdict: str) -> str:
    last, holds, against = course["requests"][-1], course["holds"][-1], course["against"][-1]
    figures = f"odds of about 10^{holds:.1f} for the margins (10^{course['holds_at']:.1f} are enough)"
    figures += f", 10^{against:.1f} against the weights (10^{course['violated_at']:.1f})"
    return f"{verdict} after {last:,} requests: {figures}."


def shares(arms: Sequence[Mapping[str, Any]]) -> Plot:
    """The observed share of each arm with its interval, beside the configured one with its margin."""
    said = "; ".join(
        f"{_arm(each)} {100 * each['observed']:.1f} % of {100 * each['configured']:.4g} %" for each in arms
    )
    plot = Plot(
        "Shares", f"Observed of configured: {said}. Lines are 99 % intervals, bands the margins.", len(arms) * _ROW + 58
    )
    x = Scale(0, 100, 104, WIDTH - 62)
    plot.x_axis(x, "% of the answers")
    for number, each in enumerate(arms):
        _share_row(plot, x, _TOP + _ROW * (number + 0.5), each)
    plot.keys = [("band", "configured, with its margin"), ("dot", "observed, with its interval")]
    return plot


def _share_row(plot: Plot, x: Scale, y: float, arm: Mapping[str, Any]) -> None:
    stated, margin, seen = 100 * arm["configured"], arm["margin"], 100 * arm["observed"]
    low, high = (100 * each for each in arm["interval"])
    within = margin > 0 and abs(seen - stated) < margin
    style = "good" if within or (seen == 0 and stated == 0) else "bad"
    begin, end = x(stated - margin), x(stated + margin)
    plot.boxes.append(Box("band", begin, y - 9, max(round(end - begin, 1), 1), 18))
    plot.line("stated", (x(stated), y - 11), (x(stated), y + 11))
    plot.line(f"{style} interval", (x(low), y), (x(high), y))
    plot.dots.append(Dot(style, x(seen), y, f"{seen:.2f} %"))
    plot.texts.append(Text("row", 96, y + 4, _fitting(_arm(arm))))
    plot.texts.append(Text("value", WIDTH - 4, y + 4, f"{seen:.1f} %"))


def _arm(arm: Mapping[str, Any]) -> str:
    return str(arm["arm"] or "(none)")


def _fitting(name: str, most: int = _NAME) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _ending(name: str, most: int = _NAME) -> str:
    """The end of a pod's name, which tells it from the others."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def latencies(rows: Sequence[Mapping[str, Any]], by: str, bounds: Iterable[tuple[str, float]] = ()) -> Plot:
    """Quantiles of latencies by version or status, in milliseconds; `bounds` are percentiles that must be below seconds."""
    limits = list(bounds)
    said = "; ".join(f"{each['name']} median {_ms(each['p50'])}, 99 % {_ms(each['p99'])}" for each in rows)
    plot = Plot(
        f"Latency by {by}",
        f"{said}. Bars from the 10th to the 90th percentile, lines to the 99th.",
        len(rows) * _ROW + 58,
    )
    most = max([*(each["p99"] for each in rows), *(bound for _, bound in limits)])
    x = Scale(0, 1050 * most or 1.0, 104, WIDTH - 62)
    plot.x_axis(x, "milliseconds")
    for number, each in enumerate(rows):
        y = _TOP + _ROW * (number + 0.5)
        plot.line("whisker", (x(1000 * each["p10"]), y), (x(1000 * each["p99"]), y))
        begin, end = x(1000 * each["p10"]), x(1000 * each["p90"])
        plot.boxes.append(Box("quantiles", begin, y - 6, max(round(end - begin, 1), 1), 12))
        plot.line("median", (x(1000 * each["p50"]), y - 9), (x(1000 * each["p50"]), y + 9))
        plot.texts.append(Text("row", 96, y + 4, _fitting(str(each["name"]))))
        plot.texts.append(Text("value", WIDTH - 4, y + 4, _ms(each["p50"])))
    for name, bound in limits:
        plot.line("bad boundary", (x(1000 * bound), _TOP), (x(1000 * bound), plot.height - _BOTTOM))
        plot.texts.append(Text("bad label end", x(1000 * bound) - 4, _TOP + 8, name))
    return plot


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


_PLACES = {"held": "good", "waits": "wait", "refused": "bad"}


def trips(loads: Sequence[Mapping[str, Any]]) -> Plot | None:
    """What became of requests that came one by one, on a time axis; None if no times are known."""
    load = max(loads, key=lambda each: len(each["came"]))
    if len(load.get("at", ())) != len(load["came"]) or not load["at"]:
        return None
    counts = ", ".join(f"{load['came'].count(name)} {name}" for name in dict.fromkeys(load["came"]))
    row = min(_ROW, 240 / len(load["came"]))
    plot = Plot(
        "Requests that come one by one", f"Of {len(load['came'])} requests: {counts}.", len(load["came"]) * row + 58
    )
    x = Scale(0, load["at"][-1] or 1.0, _LEFT + 20, WIDTH - 74)
    plot.x_axis(x, "seconds until it was known where the request is")
    for number, (at, came) in enumerate(zip(load["at"], load["came"], strict=True)):
        y, style = _TOP + row * (number + 0.5), _PLACES.get(came, "bad")
        end = x.end if came != "refused" else x(at)
        plot.line(f"{style} interval", (x(at), y), (end, y))
        plot.dots.append(Dot(style, x(at), y, f"request {number + 1}: {came} after {at:.3f} s"))
        if row > 11:
            plot.texts.append(Text("row", _LEFT + 12, y + 4, f"{number + 1}"))
            plot.texts.append(Text("value", WIDTH - 4, y + 4, str(came)))
    return plot


def ejections(rounds: Sequence[Mapping[str, Any]]) -> Plot | None:
    """When each instance failed, and when it was ejected, on a time axis; None if no times are known."""
    if not rounds:
        return None
    out = [each["instance"] for each in rounds if each["ejected"]]
    plot = Plot(
        "Ejections", f"Ejected: {', '.join(out) or 'none'}, of {len(rounds)} that failed.", len(rounds) * _ROW + 58
    )
    x = Scale(0, max(each["to"] for each in rounds) or 1.0, 104, WIDTH - 92)
    plot.x_axis(x, "seconds")
    for number, each in enumerate(rounds):
        y, style = _TOP + _ROW * (number + 0.5), "bad" if each["ejected"] else "good"
        begin, end = x(each["from"]), x(each["to"])
        plot.boxes.append(Box("failing", begin, y - 6, max(round(end - begin, 1), 2), 12))
        plot.dots.append(Dot(style, end, y, f"{each['instance']}: {each['errors']} errors"))
        if each["ejected"]:
            plot.line("bad interval", (end, y), (x.end, y))
        plot.texts.append(Text("row", 96, y + 4, _ending(each["instance"])))
        said = f"out after {each['errors']}" if each["ejected"] else f"in, {each['errors']} errors"
        plot.texts.append(Text("value", WIDTH - 4, y + 4, said))
    plot.keys = [("failing", "it fails"), ("bad", "ejected")]
    return plot


def stages(rollout: Sequence[Mapping[str, Any]], flow: Mapping[str, Any]) -> Plot | None:
    """Which version answered how much of the flow over time, with the stages; None without answers."""
    versions, width = flow["versions"], flow["seconds"]
    if not versions:
        return None
    said = "; ".join(f"stage {n}, {each['configured']}: {each['observed']}" for n, each in enumerate(rollout, 1))
    plot = Plot("Stages of the rollout", f"{said}.", 220)
    names = sorted(versions)
    parts = len(versions[names[0]])
    x, y = Scale(0, parts * width, _LEFT, WIDTH - _RIGHT), Scale(0, 100, plot.height - _BOTTOM, _TOP + 14)
    below = [0.0] * parts
    for number, name in enumerate(names):
        above = [low + part for low, part in zip(below, _parts(versions, name), strict=True)]
        outline = [(x(n * width), y(each)) for n, each in enumerate(above)]
        floor = [(x(n * width), y(each)) for n, each in enumerate(below)]
        plot.line(f"area series{number % 6}", *outline, *reversed(floor))
        below = above
    for number, each in enumerate(rollout, 1):
        plot.line("stated", (x(each["asked"]), _TOP), (x(each["asked"]), plot.height - _BOTTOM))
        plot.texts.append(Text("label", x(each["asked"]) + 3, _TOP + 8, f"{number}"))
    for tick in (0, 50, 100):
        plot.texts.append(Text("tick end", _LEFT - 6, y(tick) + 4, f"{tick} %"))
    plot.x_axis(x, "seconds", grid=False)
    plot.keys = [(f"series{number % 6}", name) for number, name in enumerate(names)]
    return plot


def _parts(versions: Mapping[str, Sequence[int]], name: str) -> list[float]:
    """The percentage of a version in each part of the time; where nothing was answered it is as before."""
    totals = [sum(column) for column in zip(*versions.values(), strict=True)]
    found, last = list[float](), 0.0
    for count, total in zip(versions[name], totals, strict=True):
        last = 100 * count / total if total else last
        found.append(last)
    return found
