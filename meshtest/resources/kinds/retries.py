"""Retries (`HTTPRetry`)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import COUNT, DURATION, FLAG, Message, Report, Text

# https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
RETRY_ON = (
    *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream"),
    *("retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure"),
    *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
)
_STATUSES = {str(status.value) for status in HTTPStatus}


def _retry_on(text: str) -> str | None:
    unknown = [each for each in text.split(",") if each not in RETRY_ON and each not in _STATUSES] if text else []
    if not unknown:
        return None
    blank = " (without blanks)" if unknown[0].strip() in (*RETRY_ON, *_STATUSES, "") else ""
    return (
        f"{unknown[0]!r} is nothing to retry on; write HTTP status codes or {', '.join(RETRY_ON)}, with commas{blank}"
    )


def _disabled(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    more = [key for key in ("perTryTimeout", "retryOn", "retryRemoteLocalities") if spec.get(key) not in (None, "")]
    if not spec.get("attempts") and more:
        report(path, f"without attempts nothing is retried, so {more[0]} has no effect: say how many attempts")


RETRIES = Message(
    {
        "attempts": COUNT,
        "perTryTimeout": DURATION,
        "retryOn": Text(_retry_on),
        "retryRemoteLocalities": FLAG,
        "retryIgnorePreviousHosts": FLAG,
        "backoff": DURATION,
    },
    rules=(_disabled,),
    nullable=("retryRemoteLocalities", "retryIgnorePreviousHosts"),
)
