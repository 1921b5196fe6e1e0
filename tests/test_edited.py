"""What a control changes of the resources that a test has applied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from meshtest.edited import edited
from meshtest.errors import ResourceError
from meshtest.fixtures import Mesh
from meshtest.judging.control import RULE, Edit
from meshtest.meshes.protocol import Destination, Rule
from meshtest.resources.edit import Put
from meshtest.resources.manifest import read_text
from meshtest.resources.resource import Resource

TEXT = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}, {timeout: 1s, route: [{destination: {host: reviews}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: all}
spec: {host: "*.default.svc.cluster.local"}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings}
spec: {host: ratings}
"""
APPLIED = {each.key: each for each in read_text(TEXT, "reviews.yaml")}
HOST = "reviews.default.svc.cluster.local"
RULE_1 = Rule("VirtualService default/reviews", 1, "reviews.yaml:5", (Destination(HOST, "", 1.0),))


def changed(rule: Rule | None, part: str) -> list[str]:
    """The names of the resources that an edit of a part changes."""
    after = edited(APPLIED, rule, [Edit(part, Put(("exportTo",), ["."]))])
    assert list(after) == list(APPLIED)
    return [f"{key[1]}/{key[3]}" for key in after if after[key] != APPLIED[key]]


def test_the_deciding_rule() -> None:
    """Of the VirtualService the entry that decides is changed, and no other."""
    after = edited(APPLIED, RULE_1, [Edit(RULE, Put(("timeout",), "2s"))])
    ((key, before),) = [item for item in APPLIED.items() if item[0][1] == "VirtualService"]
    first, second = after[key].spec["http"]
    assert first == before.spec["http"][0]
    assert second == {**before.spec["http"][1], "timeout": "2s"}


def test_times_as_people_write_them() -> None:
    """What is edited is read again: Envoy takes no milliseconds."""
    after = edited(APPLIED, RULE_1, [Edit(RULE, Put(("timeout",), "500ms"))])
    (spec,) = [each.spec for key, each in after.items() if key[1] == "VirtualService"]
    assert spec["http"][1]["timeout"] == "0.5s"


def test_policies_of_the_destination() -> None:
    """Of DestinationRules those are changed that are for the rule's destination; all of them where no rule decides."""
    assert changed(RULE_1, "DestinationRule") == ["DestinationRule/reviews", "DestinationRule/all"]
    assert len(changed(None, "DestinationRule")) == 3


def test_nothing_to_change() -> None:
    """A control without anything to change would say nothing."""
    with pytest.raises(ValueError, match="no VirtualService decides this request"):
        edited(APPLIED, None, [Edit(RULE, Put(("timeout",), "2s"))])
    with pytest.raises(ValueError, match="the test has applied none that concerns"):
        edited(APPLIED, RULE_1, [Edit("Gateway", Put(("servers",), []))])


class Kept:
    """A mesh that keeps what was put in force."""

    namespace = "default"

    def __init__(self) -> None:
        self.put_in_force: list[Mapping[tuple[str, str, str, str], Resource]] = []

    def put(self, resources: Mapping[tuple[str, str, str, str], Resource], *, later: bool = False) -> None:
        self.put_in_force.append(resources)


def test_edits_are_read_as_what_is_applied_is(tmp_path: Path) -> None:
    """What a control writes is checked and normalised like a manifest: a proxy knows no `250ms`."""
    kept = Kept()
    mesh = Mesh(cast("Any", kept), tmp_path, "test", 1, lambda _: None, lambda _: None, analysis="off")
    mesh.apply(TEXT)
    with mesh.edited(RULE_1, [Edit(RULE, Put(("timeout",), "250ms"))]):
        (found,) = [each for each in kept.put_in_force[-1].values() if each.kind == "VirtualService"]
        assert found.spec["http"][1]["timeout"] == "0.25s"
    assert kept.put_in_force[-1] == kept.put_in_force[0]
    wrong = Edit(RULE, Put(("timeout",), "soon"))
    with pytest.raises(ResourceError, match="timeout"), mesh.edited(RULE_1, [wrong]):
        pass
