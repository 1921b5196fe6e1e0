"""Moments as Kubernetes and Envoy write them, and spans of time as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def moment(text: str) -> datetime:
    """A point in time in RFC 3339, with its zone."""
    return datetime.fromisoformat(text)


def span(length: timedelta) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `12 min`, `0 s`; without a sign."""
    left = int(abs(length.total_seconds()))
    start = next((number for number, (_, seconds) in enumerate(_UNITS) if left >= seconds), len(_UNITS) - 1)
    counts = []
    for unit, seconds in _UNITS[start : start + 2]:
        counts.append((left // seconds, unit))
        left %= seconds
    return " ".join(f"{count} {unit}" for number, (count, unit) in enumerate(counts) if count or not number)
