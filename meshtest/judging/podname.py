"""Which instance answered: the pod that an answer names, as Bookinfo's and the stand-ins' do."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PODNAME = re.compile(rb'"podname"\s*:\s*"([^"\\]{1,253})"')


def podname(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str | None:
    """The `podname` of a JSON answer, None without one (a proxy's own)."""
    found = _PODNAME.search(body)
    return found.group(1).decode("ascii", "replace") if found else None
