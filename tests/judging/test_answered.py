"""Every answer as stated: what is looked at, what is said of one that differs, and with which certainty."""

from __future__ import annotations

import re
from typing import Any

import pytest

from meshtest.judging.answered import Answered, answered
from meshtest.judging.control import RULE
from meshtest.judging.expectation import judge
from meshtest.judging.verdict import Verdict
from meshtest.resources.manifest import check, read_text
from meshtest.resources.resource import Resource
from tests.judging.answers import Got, Invented, Said

PLENTY = 700  # more than ln(1000) / -ln(0.99) answers


def read(expectation: Answered, status: int = 200, headers: dict[str, str] | None = None, body: str = "") -> Got:
    """An answer as the driver would have it: with what the expectation reads from it."""
    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return Got(status, expectation.reading(lambda *_: "v1")(status, pairs, body.encode()))


def verdict(expectation: Answered, *got: Got) -> Verdict:
    return judge(Invented(got), expectation).verdict


def test_all_as_stated_holds() -> None:
    """688 right answers show that fewer than 1 % differ, but for a chance of 1e-3."""
    right = read(answered(200), 200)
    judgement = judge(Invented([right] * PLENTY), answered(200))
    assert (judgement.verdict, judgement.requests, judgement.observed) == (Verdict.HOLDS, 688, "all")
    assert verdict(answered(200), *[right] * 687) is Verdict.UNDECIDED


def test_one_that_differs_is_a_violation() -> None:
    """The first other answer decides, and is named."""
    expectation = answered(200)
    judgement = judge(Invented([*[read(expectation)] * 10, read(expectation, 503)]), expectation)
    assert (judgement.verdict, judgement.requests) == (Verdict.VIOLATED, 11)
    assert judgement.reason == "request 11 got 503 instead of 200"


@pytest.mark.parametrize(
    ("expectation", "right", "wrong", "said"),
    [
        (answered(headers={"X-A": "b"}), {"headers": {"x-a": "b"}}, {"headers": {"x-a": "c"}}, "200 with X-A: c"),
        (answered(headers={"x-a": "b"}), {"headers": {"x-a": "b"}}, {}, "200 with x-a: missing"),
        (answered(headers={"x-a": None}), {}, {"headers": {"x-a": ""}}, "200 with x-a: "),
        (answered(headers={"x-a": re.compile("b+")}), {"headers": {"x-a": "bb"}}, {"headers": {"x-a": "bc"}}, "200 with x-a: bc"),
        (answered(body="yes"), {"body": "oh yes!"}, {"body": "no"}, "200 with the body b'no'"),
        (answered(body=re.compile("^n.$")), {"body": "no"}, {"body": "not"}, "200 with the body b'not'"),
        (answered(301, headers={"location": "/new"}), {"status": 301, "headers": {"location": "/new"}}, {"status": 302, "headers": {"location": "/new"}}, "302"),
    ],
)  # fmt: skip
def test_headers_and_bodies(expectation: Answered, right: dict[str, Any], wrong: dict[str, Any], said: str) -> None:
    """What is stated of headers and the body is looked at in each answer."""
    assert verdict(expectation, *[read(expectation, **right)] * PLENTY) is Verdict.HOLDS
    judgement = judge(Invented([read(expectation, **wrong)]), expectation)
    assert (judgement.verdict, judgement.observed) == (Verdict.VIOLATED, said.replace("b'", "'"))


@pytest.mark.parametrize(
    ("expectation", "cause", "right"),
    [
        (answered(503, flags="UO"), Said(("UO",), "overflow", 1), True),
        (answered(503, flags="UO"), Said(("UO", "DI"), "overflow", 1), False),
        (answered(503, flags=["DI", "UO"]), Said(("UO", "DI"), "overflow", 1), True),
        (answered(503, flags="-"), Said((), "via_upstream", 1), True),
        (answered(503, flags="UO"), None, False),
        (answered(503, details="route_not_found"), Said(("NR",), "route_not_found", 0), True),
        (answered(503, details=re.compile(".*overflow.*")), Said((), "a{overflow}b"), True),
        (answered(503, attempts=3), Said(attempts=3), True),
        (answered(503, attempts=3), Said(attempts=2), False),
    ],
)
def test_causes(expectation: Answered, cause: Said | None, right: bool) -> None:
    """What the first proxy says of a request must be as stated; where it says nothing, that is a violation."""
    assert expectation.causes
    found = verdict(expectation, *[Got(503, "", cause=cause)] * PLENTY)
    assert found is (Verdict.HOLDS if right else Verdict.VIOLATED)


def test_senseless_figures() -> None:
    """What makes no sense is said where it is written."""
    for arguments, words in [
        ({}, "say what every answer is"),
        ({"status": 700}, "from 100 to 599"),
        ({"status": 200, "within": 0}, "within is in percentage points"),
        ({"status": 200, "beta": 2}, "beta is an error rate"),
    ]:
        with pytest.raises(ValueError, match=words):
            answered(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ("route: [{destination: {host: reviews}}]", "fault"),
        ("route: [{destination: {host: reviews}}], fault: {delay: {fixedDelay: 1s, percentage: {value: 5}}}", "fault"),
        ("redirect: {uri: /new}", "redirect"),
        ("directResponse: {status: 200}", "directResponse"),
    ],
)
def test_controls_are_resources(rule: str, field: str) -> None:
    """A control makes a resource of each kind of rule that Istio takes, wrong in one field."""
    text = f"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v}}\nspec: {{hosts: [reviews], http: [{{{rule}}}]}}\n"
    (resource,) = read_text(text, "v.yaml")
    (control,) = answered(200).controls()
    (edit,) = control.edits
    assert edit.part == RULE
    before = resource.spec["http"][0]
    after = edit.change(before)
    assert {key for key in {*before, *after} if before.get(key) != after.get(key)} == {field}
    body = {**resource.body, "spec": {**resource.spec, "http": [after]}}
    check([Resource(resource.kind, resource.api_version, "v", "default", body, resource.document)])
