"""Retries and timeouts that do not go together (`route/retry/retry.go`, Envoy's `router.cc`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from meshtest.analysis.binding import bindings
from meshtest.analysis.catalogue import TIMED_OUT_TRIES, TIMEOUT_CUTS_RETRIES
from meshtest.analysis.finding import Finding
from meshtest.analysis.world import World
from meshtest.resources.duration import envoy_duration, nanoseconds
from meshtest.translate.virtual_service import Rule

Spec = Mapping[str, Any]
# Envoy retries a try that timed out for these only (`RetryStateImpl::wouldRetryFromReset`).
_OF_TIMEOUTS = {"5xx", "gateway-error", "reset"}


def check(world: World) -> Iterator[Finding]:
    """The retries of each rule."""
    for binding in bindings(world):
        for rule in binding.rules.http:
            retries = rule.spec.get("retries")
            if retries and retries.get("attempts"):
                yield from _retries(rule, retries)


@lru_cache(maxsize=1024)
def _span(text: str) -> int:
    return nanoseconds(text) or 0


def _retries(rule: Rule, retries: Spec) -> Iterator[Finding]:
    attempts, per_try = int(retries["attempts"]), _span(retries.get("perTryTimeout", "0s"))
    limit = _span(rule.spec.get("timeout", "0s"))
    if per_try and limit and (attempts + 1) * per_try > limit:
        begun = -(-limit // per_try)
        fit = (
            f"no second try begins after one that uses up its {retries['perTryTimeout']}"
            if begun < 2
            else f"at most {begun} can begin"
        )
        message = (
            f"the timeout of {rule.spec['timeout']} covers all tries and cuts them off: {attempts + 1} tries (the "
            f"first and {attempts} retries) of "
            f"{retries['perTryTimeout']} take {envoy_duration((attempts + 1) * per_try)}, and {fit}. "
            f"Raise the timeout, or lower perTryTimeout or attempts"
        )
        yield TIMEOUT_CUTS_RETRIES.at(rule.resource, (*rule.path, "timeout"), message)
    conditions = {each.strip() for each in str(retries.get("retryOn", "")).split(",")}
    if per_try and not conditions & _OF_TIMEOUTS:
        given = f"retryOn: {retries['retryOn']}" if retries.get("retryOn") else "the default retryOn"
        message = (
            f"a try that takes longer than perTryTimeout ({retries['perTryTimeout']}) is not retried with {given}: "
            "the request gets 504 at once. "
            f"Add gateway-error (or 5xx, or reset) to retryOn"
        )
        yield TIMED_OUT_TRIES.at(rule.resource, (*rule.path, "retries"), message)
