"""Spans of time as Go and as protobuf's JSON write them."""

from __future__ import annotations

import re
from decimal import Decimal

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6}
_NANOSECONDS |= {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_LONGEST = 2**63 - 1  # nanoseconds in Go's time.Duration: 292 years


def nanoseconds(text: str) -> int | None:
    """A duration as Go writes it (`1h5m`, `0.5s`, `100ms`) in nanoseconds; None if it is none, or more than 292 years."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return 0
    parts = _DURATION_PART.findall(digits) if len(digits) < 100 else []
    if not parts or "".join(number + unit for number, unit in parts) != digits:
        return None
    total = int(sum(Decimal(number) * _NANOSECONDS[unit] for number, unit in parts))
    return sign * total if total <= _LONGEST else None


def envoy_duration(amount: int) -> str:
    """Nanoseconds as protobuf's JSON writes a duration: `1.5s`."""
    whole, rest = divmod(amount, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") + "s"
