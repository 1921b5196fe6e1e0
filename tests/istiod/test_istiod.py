"""meshtest against a real istiod: recorded, and live where the test bed's programs are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.istiod.invention import Invention
from tests.istiod.mutation import Mutation
from tests.istiod.places import CASES, GOLDEN, missing
from tests.istiod.recording import recording
from tests.istiod.session import Session, session
from tests.istiod.verdict import agree, base, judge_recorded, recorded

RECORDED = sorted(path.stem for path in CASES.glob("*.yaml"))
# What meshtest does not yet do as istiod does. A case that is equal now leaves this list.
DIFFERENT: set[str] = set()

LIVE = "MESHTEST_LIVE_ISTIOD"
live = pytest.mark.skipif(
    not os.environ.get(LIVE) or bool(missing()) or os.geteuid() != 0,
    reason=f"starts etcd, a kube-apiserver, istiod and Envoys: wants {LIVE}=1, root, and `testbed build`",
)


@pytest.mark.parametrize("case", RECORDED)
def test_recorded(case: str) -> None:
    """A case is translated as istiod did, or refused for what is not implemented."""
    found = judge_recorded(CASES / f"{case}.yaml")
    expected = {"DIFFERENT"} if case in DIFFERENT else {"EQUAL", "REFUSED"}
    assert found.word in expected, "\n".join(found.notes)


def test_each_manifest_has_its_recording() -> None:
    assert {path.stem for path in CASES.glob("*.json")} == set(RECORDED)
    assert set(RECORDED) >= DIFFERENT


def test_inventions_are_reproducible() -> None:
    """A seed says all: what was found with it can be found again."""
    assert Invention(7).documents() == Invention(7).documents()
    assert Invention(7).documents() != Invention(8).documents()
    assert Mutation(7).documents() == Mutation(7).documents()
    assert Mutation(7).documents() != Mutation(8).documents()


@pytest.fixture(scope="module")
def istiod() -> Iterator[Session]:
    with session() as asked:
        yield asked


@live
def test_live_base(istiod: Session) -> None:
    """Without resources a real istiod sends what the golden recordings start from."""
    assert agree(base(), istiod.base).notes == []


@live
@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden recordings are not at {GOLDEN}")
@pytest.mark.parametrize(
    "case", ["combo-chaos-drill", "drtls-modes", "gwapi-tcp-and-tls-routes", "se-dns-external-http", "authz-ip-blocks"]
)
def test_live_golden(istiod: Session, case: str) -> None:
    """A real istiod says again what was recorded."""
    answer = istiod.ask((GOLDEN / "cases" / f"{case}.yaml").read_text())
    assert agree(recorded(GOLDEN / "cases" / f"{case}.yaml"), answer.configurations).notes == []


@live
@pytest.mark.parametrize("case", ["delegate-on-mesh", "sidecar-same-short-name", "tls-on-mesh-external"])
def test_live_recordings(istiod: Session, case: str) -> None:
    """The recordings here are what istiod says."""
    answer = istiod.ask((CASES / f"{case}.yaml").read_text())
    assert agree(recorded(CASES / f"{case}.yaml"), answer.configurations).notes == []
    assert (
        recording(istiod.base, answer.configurations).keys() == json.loads((CASES / f"{case}.json").read_text()).keys()
    )


@live
def test_live_refusal(istiod: Session) -> None:
    """What the API server does not take is told in its words, and leaves nothing behind."""
    answer = istiod.ask(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: [], https: []}"
    )
    assert answer.invalid is not None
    assert "spec.https" in answer.invalid
    assert istiod.ask("").configurations == istiod.base
