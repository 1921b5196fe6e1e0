"""The page that compares the suites on both meshes: what it calls the same, and what not."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

PLACE = Path(__file__).parents[1] / "docs" / "parity.py"


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parity"] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


parity = _loaded()


def finding(verdict: str, control: str = "") -> str:
    value = json.dumps({"verdict": verdict, "control": control, "observed": "v1 80 %", "requests": 100}).replace(
        '"', "&quot;"
    )
    return f'<property name="meshtest.finding" value="{value}"/>'


def report(tmp_path: Path, name: str, **cases: str) -> Path:
    text = "".join(
        f'<testcase classname="suites.tls.test_a" name="{case}">{inner}</testcase>' for case, inner in cases.items()
    )
    path = tmp_path / f"{name}.xml"
    path.write_text(f"<testsuites><testsuite>{text}</testsuite></testsuites>")
    return path


HOLDS, VIOLATED = (f"<properties>{finding(each)}</properties>" for each in ("HOLDS", "VIOLATED"))
FAILED, SKIPPED = '<failure message="VIOLATED: x"/>', '<skipped message="the mesh (kubernetes) has no statistics"/>'
NOTICED = f"<properties>{finding('VIOLATED', 'weights')}{finding('VIOLATED', 'more')}</properties>"
MISSED = f"<properties>{finding('VIOLATED', 'weights')}{finding('HOLDS', 'more')}</properties>"


@pytest.mark.parametrize(
    ("local", "cluster", "differs"),
    [
        (HOLDS, HOLDS, False),
        (HOLDS, VIOLATED, True),
        (HOLDS, HOLDS + FAILED, True),
        (NOTICED, NOTICED, False),
        (NOTICED, MISSED, True),
        (HOLDS, SKIPPED, False),
        (SKIPPED, HOLDS, False),
        ("", "", False),
        ("", '<error message="gone"/>', True),
    ],
)
def test_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: str, cluster: str, differs: bool) -> None:
    """A verdict, or whether all wrong meshes were noticed; not what a mesh lacks. The exit status says it, the page lists it."""
    monkeypatch.setattr(parity, "PAGE", tmp_path / "parity.md")
    files = (report(tmp_path, "local", test_x=local), report(tmp_path, "cluster", test_x=cluster))
    assert parity.main([*map(str, files)]) == differs
    page = (tmp_path / "parity.md").read_text()
    assert ("Nothing.\n" in page) is not differs
    assert "test_x" in page


def test_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that did not run on the cluster, and nobody says why, is a difference."""
    monkeypatch.setattr(parity, "PAGE", tmp_path / "parity.md")
    files = (report(tmp_path, "local", test_x=HOLDS, test_y=HOLDS), report(tmp_path, "cluster", test_x=HOLDS))
    assert parity.main([*map(str, files)]) == 1
    assert "| test_y | HOLDS; v1 80 %; 100 requests | not run |" in (tmp_path / "parity.md").read_text()
