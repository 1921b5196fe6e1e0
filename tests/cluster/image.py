"""``python -m tests.cluster.image TESTBED``: the stand-ins' image for a test bed, with what the Containerfile has.

TESTBED is the program that has ``TESTBED image NAME --add DIR:DEST --cmd JSON``; its base image has Debian's Python 3.11.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "meshtest"
_PYTHON = "3.11"


def instructions() -> Iterator[tuple[str, str]]:
    """The lines of the Containerfile."""
    for line in (PACKAGE / "bookinfo" / "Containerfile").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


def lay_out(place: Path) -> None:
    """Copies what the Containerfile does, below a folder that stands for the image's root."""
    for word, rest in instructions():
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(PACKAGE / source, place / target.strip("/"))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def main(testbed: str) -> None:
    """Makes it."""
    with tempfile.TemporaryDirectory() as place:
        lay_out(Path(place))
        app = Path(place, "app")
        wheels = ["--only-binary=:all:", f"--python-version={_PYTHON}", "--no-compile", f"--target={app}"]
        wanted = ["-r", str(app / "requirements.txt")]
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *wheels, *wanted], check=True)
        entry = next(json.loads(rest) for word, rest in instructions() if word == "ENTRYPOINT")
        command = json.dumps(["/usr/bin/env", "PYTHONPATH=/app", *entry])
        subprocess.run([testbed, "image", "meshtest-bookinfo", "--add", f"{app}:/app", "--cmd", command], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
