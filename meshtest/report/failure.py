"""What is kept of a failure, beside the reports: what the mesh says of itself, by which it can be understood later."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from meshtest.redaction import redacted, redacted_value

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
        (own / _SAFE.sub("-", name)).write_text(_without_secrets(name, text), encoding="utf-8")
    return own


def _without_secrets(name: str, text: str) -> str:
    """What proxies hold and say may have any header's value in it; what is JSON stays so."""
    if name.endswith(".json"):
        with contextlib.suppress(json.JSONDecodeError):
            return json.dumps(redacted_value(json.loads(text)), indent=1)
    return text if name.endswith((".csv", ".yaml")) else redacted(text)  # these have none by now
