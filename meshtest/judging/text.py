"""What a text must be, or hold: an exact one, or an expression; and how that is said."""

from __future__ import annotations

import re

Text = str | re.Pattern[str]
"""What a text must be: exactly this, or matched as a whole by the expression."""

_LONGEST = 80  # characters of what came instead


def fits(wanted: Text | None, given: str | None) -> bool:
    """Whether a text is the one that is wanted; None is a missing one."""
    if wanted is None or given is None:
        return wanted is given
    return given == wanted if isinstance(wanted, str) else wanted.fullmatch(given) is not None


def contains(wanted: Text, given: str) -> bool:
    """Whether a text contains the one that is wanted, or the expression is found in it."""
    return wanted in given if isinstance(wanted, str) else wanted.search(given) is not None


def named(wanted: Text | None) -> str:
    """The text, `/expression/`, or `missing`."""
    if wanted is None:
        return "missing"
    return wanted if isinstance(wanted, str) else f"/{wanted.pattern}/"


def clipped(given: str) -> str:
    """The begin of what came instead."""
    return given[:_LONGEST]
