"""Makes docs/verdicts.svg, the picture in the README: what a run of two suites and a wrong test looks like on a terminal.

python docs/picture.py
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[1]
WRONG = """
from meshtest import GET, split


def test_half_of_it(mesh, ingress):
    mesh.apply("canary.yaml")
    ingress.expect(GET("/reviews/0"), split(v1=50, v2=50))
"""


def run() -> str:
    """The output of a run, with colours."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("test_reviews_80_20", "test_reviews_three_ways"):
            for suffix in (".py", ".yaml"):
                text = (ROOT / "suites" / "bookinfo" / f"{name}{suffix}").read_text()
                Path(folder, f"{name}{suffix}").write_text(text)
        manifest = Path(folder, "test_reviews_80_20.yaml").read_text()
        Path(folder, "canary.yaml").write_text(manifest)
        Path(folder, "test_canary.py").write_text(WRONG)
        command = [sys.executable, "-m", "pytest", "-q", "--color=yes", "-p", "no:cacheprovider"]
        environment = {**os.environ, "COLUMNS": "150"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout


def main() -> None:
    """Run, and draw."""
    console = Console(record=True, width=150, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(run()), end="")
    svg = console.export_svg(title="pytest", theme=MONOKAI)
    # No fonts from elsewhere: the reader's own monospace will do.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace, Menlo, Consolas")
    (ROOT / "docs" / "verdicts.svg").write_text(re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))


if __name__ == "__main__":
    main()
