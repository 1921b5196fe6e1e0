"""The page of a record: what it says, how large it is, and that nothing from outside is markup in it."""

from __future__ import annotations

import html.parser
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from meshtest.report.html.page import page
from meshtest.report.html.scale import Scale
from meshtest.report.record import Policy, Record
from meshtest.report.words import error_rates, headline
from tests.report.records import BREAKER, POLICY, incomplete, passed, record, run, violated

VOID = {"meta", "link", "input", "rect", "path"}


class Elements(html.parser.HTMLParser):
    """The elements of a page: their names, ids and links; whether each that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names, self.ids, self.links = list[str](), list[str](), list[str]()
        self.texts, self.attributes = list[str](), set[str]()
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.names.append(tag)
        given = dict(attrs)
        self.attributes |= given.keys()
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it, too."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """It closes the last one."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.texts.append(data)


def test_it_is_whole() -> None:
    """Every element is closed, ids are there once, every link leads somewhere, and nothing comes from elsewhere."""
    found = Elements(page(incomplete()))
    assert len(set(found.ids)) == len(found.ids)
    inside = [link.removeprefix("#") for link in found.links if link.startswith("#")]
    assert inside
    assert set(inside) <= set(found.ids)
    assert {link for link in found.links if not link.startswith("#")} == {"data:,"}
    assert not {"src", "srcset", "onclick", "onerror"} & found.attributes
    assert not {"iframe", "object", "embed", "img"} & set(found.names)


def test_what_it_says() -> None:
    """The verdict, what failed first, evidence, shares, the path, the rule that decided, controls, the command."""
    text = page(incomplete())
    said = " ".join(Elements(text).texts)
    assert "1 of 3 tests found a policy that does not hold on the local mesh (Envoy 1.40.0)." in said
    assert "of 3 tests, 1 did not run to the end" in said
    assert text.index("test-red-test-red") < text.index("test-1-test-share-1")
    for wanted in (
        "Evidence over requests",
        "enough for HOLDS",
        "Shares",
        "Latency by version",
        "Requests that come one by one",
        "Ejections",
        "to reviews v1",
        "canary.yaml:9",
        "v2 at 30 % instead of 20 %",
        "pytest suites/theme1/test_1.py",
        "A right mesh is called wrong with a probability of 1 in 1,000,000 at the most",
        "Exact: chance plays no part.",
    ):
        assert wanted in said
    numbers = [re.findall(r"<i>(\d+)</i>", each) for each in re.findall(r"(?s)<span class=m>(.*?)</span>", text)]
    marked = {f"{each[0]}-{each[-1]}" for each in numbers}
    assert marked == {"9-17", "4-5"}, "the rule up to the next one, and the trafficPolicy of the breaker"


HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "' onfocus='alert(1)",
    "`<b>`",
    "\u202e\ud83d\ude00 grüße",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts(hostile: str) -> None:
    """What comes from outside is text, wherever it stands."""
    expected = Elements(page(incomplete()))
    test = violated()
    finding = {
        **test.findings[0],
        **dict.fromkeys(("request", "reason", "observed", "configured", "expectation", "source"), hostile),
    }
    finding["statuses"], finding["transport_errors"] = {hostile: 3}, {hostile: 1}
    finding["evidence"] = {
        **finding["evidence"],
        "table": [(hostile, "b"), (hostile, 1)],
        "warnings": [hostile],
        "arms": [{**each, "arm": hostile} for each in finding["evidence"]["arms"]],
        "causes": {"flags": {}, "summaries": {hostile: 2}, "lines": [hostile]},
    }
    whole = replace(
        incomplete(),
        tests=(
            replace(
                test,
                findings=(finding, {**finding, "control": hostile}),
                policies=(0, 1),
                **dict.fromkeys(("nodeid", "doc", "why", "failure", "command", "folder"), hostile),
                sections=((hostile, hostile),),
            ),
        ),
        policies=(
            replace(POLICY, name=hostile, text=POLICY.text + f"# {hostile}\n"),
            Policy(*[hostile] * 3, 1, hostile),
        ),
        run=run(command=hostile, missing=incomplete().run.missing),
    )
    found = Elements(page(whole))
    assert set(found.names) <= set(expected.names) | {"em", "h5", "pre", "ul", "li", "b"}
    assert found.names.count("script") == 1
    assert found.attributes <= expected.attributes | {"tabindex", "role", "aria-label"}
    assert "49" not in "".join(found.texts).replace("49.", "") or "7 * 7" not in hostile


@pytest.mark.parametrize("number", [0, 1, 3])
def test_few_tests(number: int) -> None:
    """Also of no test, or one, there is a page."""
    assert Elements(page(record(*(passed(each) for each in range(number))))).ids


def test_three_hundred_tests() -> None:
    """Each with a plot of the evidence, of shares, of latencies, a path and a control: below 3 MB."""
    text = page(record(*(passed(each % 10) for each in range(299)), violated()))
    assert text.count("<svg") == 300 * 4
    assert len(text.encode()) < 3_000_000


def test_headlines() -> None:
    """The verdict in a sentence."""
    assert (
        headline(record(passed(1), passed(2)))
        == "All 2 tests passed: the 2 policies hold on the local mesh (Envoy 1.40.0)."
    )
    assert headline(Record(run(), (passed(1),), (BREAKER,))).startswith("The one test passed: the policy holds on")
    for outcome, said in (
        ("failed", "without a verdict"),
        ("broken", "surroundings"),
        ("undecided", "could not decide"),
    ):
        assert said in headline(record(passed(1), replace(passed(2), outcome=outcome)))
    assert headline(record()) == "No test was run on the local mesh (Envoy 1.40.0)."


def test_error_rates() -> None:
    """In words; of several the worst."""
    assert "never called wrong" in error_rates("0 / 0.001")
    assert "1 in 1,000,000" in error_rates("1e-06 / 0.001; 1e-08 / 0.01")
    assert "1 in 100 " in error_rates("1e-06 / 0.001; 1e-08 / 0.01")


@hypothesis_settings(max_examples=300)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks(low: float, width: float) -> None:
    """They lie within, in order, evenly, and there are a handful."""
    scale = Scale(low, low + width, 0, 100)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(low - 1e-6 * width - 1e-9 <= each <= low + width * (1 + 1e-6) + 1e-9 for each in ticks)
    assert ticks == sorted(ticks)
    assert all(0 <= scale(each) <= 100 for each in (*ticks, low - 5, low + 2 * width))


def test_all_colours_have_a_value() -> None:
    """A name that nobody gave one would leave a badge without paper, or a line unseen."""
    folder = files("meshtest.report").joinpath("html")
    style = "".join(folder.joinpath(name).read_text() for name in ("colours.css", "style.css", "plot.css"))
    given = set(re.findall(r"(--[\w-]+):", style))
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) <= given
