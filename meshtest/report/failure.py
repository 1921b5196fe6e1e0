"""What is kept of a failure, beside the reports: what the mesh says of itself, by which it can be understood later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_SAFE = re.compile(r"[^A-Za-z0-9._=-]+")
_LONGEST = 150


def keep(folder: Path, nodeid: str, texts: Mapping[str, str]) -> Path:
    """Write texts, by the names of files, into a folder of the test's own there; that folder. What stood in it is gone."""
    own = folder / _SAFE.sub("-", nodeid)[-_LONGEST:].strip("-.")
    own.mkdir(parents=True, exist_ok=True)
    for old in own.iterdir():
        if old.is_file():
            old.unlink()
    for name, text in texts.items():
        (own / _SAFE.sub("-", name)).write_text(text, encoding="utf-8")
    return own
