"""From a record to the page. The only place where Jinja2 is used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from meshtest.report import words
from meshtest.report.html.manifest import Manifest
from meshtest.report.html.shown_finding import ShownFinding
from meshtest.report.html.shown_test import ShownTest
from meshtest.report.record import OUTCOMES, Record

_STYLES = ("colours.css", "style.css", "plot.css")


def page(record: Record) -> str:
    """The page of a record: HTML that needs nothing else."""
    manifests = [Manifest(number, each) for number, each in enumerate(record.policies)]
    views = [ShownTest(each, number, manifests) for number, each in enumerate(record.tests)]
    views.sort(key=lambda each: (OUTCOMES.index(each.test.outcome), each.place))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            record=record,
            run=record.run,
            tests=views,
            manifests=_by_file(manifests),
            themes=sorted({each.theme for each in views}),
            words=words,
            style=Markup("").join(map(_asset, _STYLES)),
            script=_asset("page.js"),
        )
    )


def pictures(finding: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The plots of a finding, each with its title, as SVG that needs nothing else."""
    svg = _environment().get_template("plot.svg.j2").module.svg  # type: ignore[attr-defined]
    style = _asset("colours.css") + _asset("plot.css")
    return [(each.title, str(svg(each, style)).strip()) for each in ShownFinding(finding, ()).plots]


def _by_file(manifests: Sequence[Manifest]) -> list[tuple[str, list[Manifest]]]:
    """The manifests of each file, in the order of their lines."""
    found: dict[str, list[Manifest]] = {}
    for each in sorted(manifests, key=lambda each: (each.policy.file, each.policy.line)):
        found.setdefault(each.policy.file, []).append(each)
    return list(found.items())


def _code(text: str) -> Markup:
    """A text in which what stands between backquotes is code."""
    parts = re.split(r"`([^`\n]+)`", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(each) if n % 2 else escape(each) for n, each in enumerate(parts)
    )


def _asset(name: str) -> Markup:
    """A file that stands in the page as it is: it is meshtest's own, and has nothing of a run in it."""
    return Markup(files(__package__).joinpath(name).read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("meshtest.report", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    environment.filters["place"] = lambda figure: f"{round(figure, 1):g}"
    environment.filters["percent"] = lambda share: f"{100 * share:.4g} %"
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment
