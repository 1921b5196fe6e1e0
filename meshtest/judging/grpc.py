"""The status of gRPC in an answer: codes, names (grpc/doc/statuscodes.md), and how it is read."""

from __future__ import annotations

from collections.abc import Sequence

NAMES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""By their codes, from 0."""


def grpc_code(given: int | str) -> int:
    """The code of a status given by its code or name; ValueError if there is none such."""
    if isinstance(given, str) and given.upper() in NAMES:
        return NAMES.index(given.upper())
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(NAMES):
        return given
    raise ValueError(
        f"gRPC has no status {given!r}: give a code from 0 to {len(NAMES) - 1}, or a name such as UNAVAILABLE"
    )


def grpc_name(code: int) -> str:
    """The name of a code."""
    return NAMES[code]


def grpc_status(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str | None:
    """The gRPC status in an answer's headers, where it is if there is no message ("trailers only"); None if there is none."""
    return next((value.decode("latin-1").strip() for name, value in headers if name.lower() == b"grpc-status"), None)
