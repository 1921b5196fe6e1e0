"""Every request received as stated: what is looked at, what is said of one that differs, and the wrong meshes of its controls."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from meshtest.judging.altered import Altered
from meshtest.judging.expectation import judge
from meshtest.judging.received import Received, received
from meshtest.judging.split import split
from meshtest.judging.verdict import Verdict
from meshtest.resources.manifest import check, read_text
from meshtest.resources.resource import Resource
from tests.judging.answers import Got, Invented

SEEN = {"method": "GET", "path": "/new?a=b", "host": "shop.example.com", "headers": {"x-a": "b", "x-two": "c, d"}}
PLENTY = 700  # more than ln(1000) / -ln(0.99) answers


def read(expectation: Any, seen: object = SEEN, status: int = 200) -> Got:
    """An answer as the driver would have it: with what the expectation reads from it."""
    body = seen if isinstance(seen, bytes) else json.dumps(seen).encode()
    return Got(status, expectation.reading(lambda *_: "v1")(status, [], body))


@pytest.mark.parametrize(
    ("expectation", "came"),
    [
        (received(method="GET"), {"method": "POST"}),
        (received(path="/new?a=b"), {"path": "/new"}),
        (received(path=re.compile("/new.*")), {"path": "/a/new"}),
        (received(host="shop.example.com"), {"host": "shop.example.com:80"}),
        (received(headers={"X-A": "b"}), {"headers": {"x-a": "c"}}),
        (received(headers={"x-two": "c, d"}), {"headers": {"x-two": "c"}}),
        (received(headers={"x-a": re.compile("[a-c]")}), {"headers": {}}),
        (received(headers={"x-no": None}), {"headers": {"x-no": ""}}),
    ],
)
def test_what_is_looked_at(expectation: Received, came: dict[str, Any]) -> None:
    """Each part that is stated is looked at in each answer, and the first one that differs decides."""
    right, wrong = read(expectation), read(expectation, {**SEEN, **came})
    assert judge(Invented([right] * PLENTY), expectation).verdict is Verdict.HOLDS
    judgement = judge(Invented([right, right, wrong]), expectation)
    assert (judgement.verdict, judgement.requests) == (Verdict.VIOLATED, 3)
    assert judge(Invented([right] * 687), expectation).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    "body",
    [b"", b"no healthy upstream", b"[]", b'{"path": "/new"}', b'{"headers": [], "path": 1}', b"\xff", b"[" * 9999],
)
def test_what_says_nothing(body: bytes) -> None:
    """An answer that does not say what was received is a violation, which shows what came."""
    expectation = received(headers={"x-no": None})
    judgement = judge(Invented([read(expectation, body, 503)]), expectation)
    assert judgement.verdict is Verdict.VIOLATED
    assert judgement.observed.startswith("503 from what does not say what it saw: ")


def test_what_is_said() -> None:
    """What came instead is named, and the expectation completes a sentence."""
    expectation = received(path="/old", headers={"x-a": None, "x-b": "1"})
    judgement = judge(Invented([read(expectation)]), expectation)
    assert judgement.observed == "path /new?a=b, x-a: b, x-b: missing"
    assert str(expectation) == "received with path /old, x-a: missing, x-b: 1 (but for less than 1 %)"


def test_with_a_split() -> None:
    """It composes with a split of the same answers."""
    both = split(v1=100) & received(path="/new?a=b")
    assert judge(Invented([read(both)] * PLENTY), both).verdict is Verdict.HOLDS
    assert judge(Invented([read(both, {**SEEN, "path": "/"})]), both).verdict is Verdict.VIOLATED


def test_senseless() -> None:
    """What makes no sense is said where it is written."""
    with pytest.raises(ValueError, match="say how requests arrive"):
        received()
    with pytest.raises(ValueError, match="within is in percentage points"):
        received(path="/", within=0)


RULES = [
    "route: [{destination: {host: reviews}}]",
    "route: [{destination: {host: reviews}}], headers: {request: {set: {x-a: b}}}, rewrite: {uri: /b}",
    "route: [{destination: {host: a}, weight: 80, headers: {request: {add: {X-A: b}}}}, {destination: {host: b}, weight: 20}], headers: {request: {remove: [x-no]}, response: {set: {c: d}}}",
]


@pytest.mark.parametrize("rule", RULES)
def test_controls_are_resources(rule: str) -> None:
    """A control makes a resource of each kind of rule that Istio takes, and there is one for each thing that is stated."""
    text = f"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v}}\nspec: {{hosts: [reviews], http: [{{{rule}}}]}}\n"
    (resource,) = read_text(text, "v.yaml")
    controls = received(path="/", host="a", headers={"x-a": "b", "x-no": None}).controls()
    assert [each.name for each in controls] == [
        "1 % aborted",
        "1 % without x-a",
        "1 % with x-no: altered",
        "all with the uri /altered-by-the-control",
        "all with the authority altered-by-the-control",
    ]
    for edit in (each.edits[0] for each in controls):
        after = edit.change(resource.spec["http"][0])
        body = {**resource.body, "spec": {**resource.spec, "http": [after]}}
        check([Resource(resource.kind, resource.api_version, "v", "default", body, resource.document)])


def test_altered_shares() -> None:
    """A share of each destination's requests is altered, and what the rule did to other headers stays."""
    rule = {
        "route": [{"destination": {"host": "a"}, "weight": 3}, {"destination": {"host": "b"}, "weight": 1}],
        "headers": {"request": {"set": {"x-a": "b", "x-c": "d"}}, "response": {"remove": ["x-e"]}},
    }
    altered = Altered("X-A", None, 2.5)(rule)
    assert "headers" not in altered
    assert [each["weight"] for each in altered["route"]] == [3 * 97500, 3 * 2500, 97500, 2500]
    assert altered["route"][0]["headers"] == rule["headers"]
    other = {"request": {"set": {"x-c": "d"}, "remove": ["X-A"]}, "response": {"remove": ["x-e"]}}
    assert [each["headers"] for each in altered["route"][1::2]] == [other, other]
    assert Altered("x-a", "z", 5)(rule)["route"][1]["headers"]["request"] == {"set": {"x-c": "d", "x-a": "z"}}


def test_a_rules_headers_come_last() -> None:
    """What a rule sets or removes undoes what its destination does; what both add is added."""
    rule = {
        "route": [
            {
                "destination": {"host": "a"},
                "headers": {"request": {"set": {"x-a": "1", "x-b": "1"}, "add": {"x-c": "1"}}},
            }
        ],
        "headers": {"request": {"remove": ["x-a"], "set": {"X-B": "2"}, "add": {"x-d": "2"}}},
    }
    first = Altered("x-z", "z", 1)(rule)["route"][0]["headers"]["request"]
    assert first == {"set": {"X-B": "2"}, "add": {"x-c": "1", "x-d": "2"}, "remove": ["x-a"]}
