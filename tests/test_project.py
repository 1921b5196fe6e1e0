"""What holds for the project as a whole: its names, its documents, its suites."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

import meshtest
from meshtest.cli import main

ROOT = Path(__file__).parents[1]
PUBLIC = [
    "Aborted",
    "AnalysisWarning",
    "Answered",
    "Authority",
    "Balanced",
    "DELETE",
    "Delayed",
    "Driver",
    "EjectedFor",
    "Ejects",
    "Expectation",
    "Experiment",
    "Forecast",
    "GET",
    "HEAD",
    "HOLDS",
    "Judgement",
    "Lossless",
    "Mesh",
    "MeshError",
    "MeshtestError",
    "Mirrored",
    "POST",
    "PUT",
    "Permissions",
    "PolicyViolation",
    "Received",
    "Request",
    "ResourceError",
    "Retried",
    "Sample",
    "Source",
    "Split",
    "SplitTest",
    "Sticky",
    "TimedOut",
    "Trips",
    "UNDECIDED",
    "VIOLATED",
    "Verdict",
    "Workload",
    "aborted",
    "answered",
    "balanced",
    "by_body",
    "by_header",
    "by_json",
    "by_podname",
    "delayed",
    "ejected_for",
    "ejects",
    "judge",
    "lossless",
    "mirrored",
    "permissions",
    "received",
    "request",
    "retried",
    "split",
    "sticky",
    "timed_out",
    "trips",
]


def test_public_names() -> None:
    """The public names are these, and each can be had."""
    assert meshtest.__all__ == PUBLIC
    assert set(meshtest._HOME) | {"HOLDS", "VIOLATED", "UNDECIDED"} == set(PUBLIC)
    assert all(getattr(meshtest, name).__name__ == name for name in meshtest._HOME)
    with pytest.raises(AttributeError, match="no attribute 'splitt'"):
        meshtest.splitt  # noqa: B018


def blocks(document: str, language: str) -> dict[str, str]:
    """The code blocks of a document that start with their file's name in a comment."""
    found = re.findall(rf"```{language}\n# (\S+)\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)
    return dict(found)


def test_readme_example(pytester: pytest.Pytester) -> None:
    """The first own test of the README runs as it stands there."""
    files = blocks("README.md", "yaml") | blocks("README.md", "python")
    assert set(files) == {"canary.yaml", "test_canary.py"}
    for name, text in files.items():
        Path(pytester.path, name).write_text(text)
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


def test_commands_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the README shows of commands is what they print of its manifest (for `analyze`, with a subset misspelt)."""
    manifest = blocks("README.md", "yaml")["canary.yaml"]
    shown = re.findall(r"```console\n\$ meshtest (.*?)\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert [command.split()[0] for command, _ in shown] == ["analyze", "explain", "proxy-config"]
    monkeypatch.chdir(tmp_path)
    for command, printed in shown:
        before, _, after = manifest.rpartition("name: v2")
        Path("canary.yaml").write_text(f"{before}name: v3{after}" if command.startswith("analyze") else manifest)
        assert main(shlex.split(command)) == int(command.startswith("analyze"))
        start, more, _ = printed.partition("...\n")
        found = capsys.readouterr().out
        assert found.startswith(start)
        assert more or not printed or found == printed


@pytest.mark.parametrize(
    ("document", "names", "passed"),
    [
        ("local-mesh", {"test_hosts_outside.py", "test_tls.py", "test_tcp.py", "test_egress.py"}, 6),
        ("causes", {"test_causes.py"}, 6),
        ("workloads", {"test_cart.py"}, 5),
    ],
)
def test_examples(pytester: pytest.Pytester, document: str, names: set[str], passed: int) -> None:
    """The examples of a page of docs/ run as they stand there, and nothing in them is doubtful."""
    files = blocks(f"docs/{document}.md", "yaml") | blocks(f"docs/{document}.md", "python")
    assert {name for name in files if name.startswith("test_")} == names
    for name, text in files.items():
        Path(pytester.path, name).write_text(text)
    pytester.runpytest_subprocess("-W", "error::meshtest.AnalysisWarning").assert_outcomes(passed=passed)


def test_ci_runs_what_the_readme_says() -> None:
    """Both commands of the README are what CI runs."""
    commands = re.findall(r"```sh\npython3 -m venv .venv && (.*?) && (.*?)\n```", (ROOT / "README.md").read_text())
    ci = (ROOT / ".ci" / "run").read_text()
    assert [command for _, command in commands] == [".venv/bin/tox -e suites", ".venv/bin/tox"]
    assert all(f"\n{command}\n" in ci for _, command in commands)


def test_each_suite_has_its_manifest() -> None:
    """Each suite stands beside a manifest of the same stem, and applies it."""
    suites = sorted((ROOT / "suites").rglob("test_*.py"))
    assert suites
    for suite in suites:
        assert suite.with_suffix(".yaml").is_file()
        assert f'"{suite.stem}.yaml"' in suite.read_text()
        assert ".control(" in suite.read_text(), "a suite without a control may be unable to fail"


def test_recordings_are_there_when_needed() -> None:
    """Where the comparison with a real istiod must not be skipped, its recordings are there."""
    if os.environ.get("MESHTEST_NEEDS_GOLDEN"):
        assert (ROOT.parent / "shared" / "golden" / "compare.py").is_file()
