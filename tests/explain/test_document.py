"""What docs/explain.md shows is what the command prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from meshtest.cli import main

DOCUMENT = (Path(__file__).parents[2] / "docs" / "explain.md").read_text()
COMMANDS = re.findall(r"```console\n\$ meshtest (.*?)\n(.*?)```", DOCUMENT, flags=re.DOTALL)


def test_there_are_examples() -> None:
    """The document shows a request that ends well, a rule that never comes there, and a request that nothing takes."""
    assert len(COMMANDS) == 3


@pytest.mark.parametrize(("command", "printed"), COMMANDS)
def test_example(
    command: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An example prints what stands there, and its exit status is as the document says."""
    (manifest,) = re.findall(r"```yaml\n# shop.yaml\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    (tmp_path / "shop.yaml").write_text(manifest)
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == (1 if "404" in printed else 0)
    assert capsys.readouterr().out == printed
