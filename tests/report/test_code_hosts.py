"""Findings of `meshtest analyze` in the forms of code hosts."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.analysis.reading import findings
from meshtest.cli import main
from meshtest.report.fingerprints import fingerprinted
from meshtest.report.github import LEVELS, annotation

CANARY = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews, subset: v3}
"""


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A rule that leads to a subset which nobody defines, in a folder with an awkward name."""
    monkeypatch.chdir(tmp_path)
    Path("a, b%").mkdir()
    Path("a, b%", "canary.yaml").write_text(CANARY)
    return "./a, b%/canary.yaml"


def output(capsys: pytest.CaptureFixture[str], file: str, form: str) -> str:
    """What the command prints; it finds an error or a warning."""
    assert main(["analyze", file, "-o", form]) == 1
    return capsys.readouterr().out


def test_sarif(canary: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each result names its rule, and its place relative to here as a URI."""
    log = json.loads(output(capsys, canary, "sarif"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    (found,) = [each for each in run["results"] if each["ruleId"] == "MT0104"]
    assert rules[found["ruleIndex"]]["id"] == "MT0104"
    assert found["level"] == "warning"
    assert found["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "a%2C%20b%25/canary.yaml"}, "region": {"startLine": 9}}}
    ]
    assert "v3" in found["message"]["text"]


def test_gitlab(canary: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The report's paths are those of the repository, as GitLab wants them: without `./`."""
    (found,) = [each for each in json.loads(output(capsys, canary, "gitlab")) if each["check_name"] == "MT0104"]
    assert found["location"] == {"path": "a, b%/canary.yaml", "lines": {"begin": 9}}
    assert found["severity"] == "major"
    assert len(found["fingerprint"]) == 64


def test_github(canary: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each finding."""
    lines = output(capsys, canary, "github").splitlines()
    (found,) = [line for line in lines if "MT0104" in line]
    assert found.startswith("::warning file=a%2C b%25/canary.yaml,line=9,title=MT0104 No DestinationRule")


def test_nothing_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reports without findings are whole reports."""
    (tmp_path / "none.yaml").write_text("# nothing\n")
    printed = {}
    for form in ("sarif", "gitlab", "github"):
        assert main(["analyze", str(tmp_path / "none.yaml"), "-o", form]) == 0
        printed[form] = capsys.readouterr().out
    assert json.loads(printed["sarif"])["runs"][0]["results"] == []
    assert json.loads(printed["gitlab"]) == []
    assert printed["github"] == ""


def test_fingerprints_stay_when_lines_move(canary: str) -> None:
    """And no two findings have one."""
    before = [name for name, _ in fingerprinted(findings([canary]))]
    Path(canary).write_text(f"# a line more\n{CANARY}---{CANARY}")
    after = [name for name, _ in fingerprinted(findings([canary]))]
    assert set(before) < set(after)
    assert len(set(after)) == len(after)


@given(st.sampled_from(LEVELS), st.text(min_size=1), st.integers(), st.text(), st.text())
def test_no_text_ends_an_annotation(level: str, file: str, line: int, title: str, message: str) -> None:
    """Nor begins another command."""
    made = annotation(level, file.replace("\x00", "") or "x", line, title, message)
    assert "\n" not in made
    assert "\r" not in made
    head, _, _ = made.removeprefix(f"::{level} ").partition("::")
    assert head.count(",") == 2
    assert made.startswith(f"::{level} file=")


def test_level() -> None:
    """There are three."""
    with pytest.raises(ValueError, match="error, warning, notice"):
        annotation("fatal", "x", 1, "", "")
