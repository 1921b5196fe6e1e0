"""What allure-pytest gets: steps, attachments, labels; failed and broken kept apart; no secrets."""

import json
from pathlib import Path
from typing import Any

import pytest

TESTS = """
from meshtest import GET, split
from meshtest.errors import MeshError

CANARY = GET("/reviews/0", headers={"authorization": "Bearer planted-secret-1"})

def test_canary(mesh, ingress):
    '''A fifth goes to v2.'''
    mesh.apply("canary.yaml")
    ingress.expect(CANARY, split(v1=80, v2=20, within=10))

def test_wrong(mesh, ingress):
    mesh.apply("canary.yaml")
    ingress.expect(GET("/reviews/0?token=planted-secret-2"), split(v1=50, v2=50, within=10))

def test_surroundings(mesh):
    raise MeshError("the gateway is gone")
"""


@pytest.fixture
def results(project: pytest.Pytester) -> dict[str, Any]:
    """What Allure has of each test, by name."""
    project.makepyfile(TESTS)
    assert project.runpytest_subprocess("--alluredir", "allure").ret == 1
    found = [json.loads(each.read_text()) for each in Path("allure").glob("*-result.json")]
    return {each["name"]: each for each in found}


def test_steps_and_attachments(results: dict[str, Any]) -> None:
    """What was applied, driven and judged, with what belongs to it."""
    applied, driven, judged = results["test_canary"]["steps"]
    assert applied["name"].startswith("apply: Gateway default/")
    assert {each["type"] for each in applied["attachments"]} == {"application/yaml"}
    assert driven["name"].startswith("drive: GET /reviews/0")
    assert judged["name"] == "judge: HOLDS: split v1 80 %, v2 20 % (within 10 points)"
    attached = {each["name"]: each for each in judged["attachments"]}
    assert {"verdict", "evidence", "samples"} <= attached.keys()
    lines = Path("allure", attached["samples"]["source"]).read_text().splitlines()
    assert lines[0].startswith("started,latency,status,version")
    evidence = json.loads(Path("allure", attached["evidence"]["source"]).read_text())
    assert len(lines) > evidence["requests"]
    pictures = [each for each in judged["attachments"] if each["type"] == "image/svg+xml"]
    assert pictures
    assert Path("allure", pictures[0]["source"]).read_text().startswith("<svg ")


def test_labels(results: dict[str, Any]) -> None:
    """The kind of policy, and what the test promises."""
    labels = [(each["name"], each["value"]) for each in results["test_canary"]["labels"]]
    assert ("feature", "Weighted split") in labels
    assert ("story", "A fifth goes to v2.") in labels
    assert {"name": "mesh", "value": "'local'"} in results["test_canary"]["parameters"]
    assert any("virtual-service" in each["url"] for each in results["test_canary"]["links"])


def test_failed_and_broken(results: dict[str, Any]) -> None:
    """A policy that does not hold has failed; surroundings are broken; the steps of what failed are there."""
    assert results["test_canary"]["status"] == "passed"
    assert results["test_wrong"]["status"] == "failed"
    assert results["test_wrong"]["steps"][-1]["name"].startswith("judge: VIOLATED")
    assert results["test_surroundings"]["status"] == "broken"


def test_no_secrets(results: dict[str, Any]) -> None:
    """Neither in results nor in attachments."""
    assert results
    for each in Path("allure").iterdir():
        assert "planted-secret" not in each.read_text(), each
