"""Retry policies (`route/retry/retry.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

Json = dict[str, Any]

_CODES = "retriable-status-codes"
DEFAULT_RETRY_ON = f"connect-failure,refused-stream,unavailable,cancelled,{_CODES}"
_PREVIOUS_HOSTS: Json = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
_PREVIOUS_PRIORITIES: Json = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "update_frequency": 2,
    },
}
_STATUSES = {str(status.value) for status in HTTPStatus}


def retry_policy(retries: Mapping[str, Any] | None, hashed: bool = False) -> Json | None:
    """Envoy's RetryPolicy; Istio's default where `retries` is None, none at all where it asks for no attempts.

    `hashed` says that the one destination is chosen by consistent hash: a retry then goes to the same host, unless told otherwise.
    """
    if retries is None:
        return _default(hashed)
    attempts = retries.get("attempts", 0)
    if attempts <= 0:
        return None
    out = {**_default(not retries.get("retryIgnorePreviousHosts", not hashed)), "num_retries": attempts}
    if retries.get("retryOn"):
        out |= _conditions(retries["retryOn"])
    if "perTryTimeout" in retries:
        out["per_try_timeout"] = retries["perTryTimeout"]
    if retries.get("retryRemoteLocalities"):
        out["retry_priority"] = _PREVIOUS_PRIORITIES
    if "backoff" in retries:
        out["retry_back_off"] = {"base_interval": retries["backoff"]}
    return out


def _default(same_host: bool) -> Json:
    out: Json = {"num_retries": 2, "retry_on": DEFAULT_RETRY_ON, "host_selection_retry_max_attempts": "5"}
    return out if same_host else {**out, "retry_host_predicate": [_PREVIOUS_HOSTS]}


def _conditions(retry_on: str) -> Json:
    """Conditions and status codes apart; a code needs the condition that makes codes count."""
    parts = [part.strip() for part in retry_on.split(",") if part.strip()]
    codes = [int(part) for part in parts if part in _STATUSES]
    words = ",".join(part for part in parts if part not in _STATUSES)
    if codes and _CODES not in words:
        words += f",{_CODES}"
    return {"retry_on": words, **({"retriable_status_codes": codes} if codes else {})}
