"""Injected faults: how many requests they meet, and what retries and timeouts do about them (`route/route.go`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.binding import bindings
from meshtest.analysis.catalogue import (
    ABORT_WITHOUT_STATUS,
    DELAY_BEYOND_TIMEOUT,
    DEPRECATED_PERCENT,
    FAULT_WITHOUT_PERCENTAGE,
    PERCENTAGE_BELOW_ONE,
    RETRIES_OF_FAULTS,
)
from meshtest.analysis.finding import Finding
from meshtest.analysis.sentence import percent
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.duration import nanoseconds
from meshtest.translate.virtual_service import Rule

Spec = Mapping[str, Any]
_STATUSES = ("httpStatus", "grpcStatus", "http2Error")


def check(world: World) -> Iterator[Finding]:
    """The faults of each rule."""
    for binding in bindings(world):
        for rule in binding.rules.http:
            if "fault" in rule.spec:
                yield from _fault(rule, rule.spec["fault"])


def _fault(rule: Rule, fault: Spec) -> Iterator[Finding]:
    for kind in ("delay", "abort"):
        if kind in fault:
            yield from _share(rule, kind, fault[kind], (*rule.path, "fault", kind))
    abort, delay = fault.get("abort"), fault.get("delay")
    if abort is not None and not any(key in abort for key in _STATUSES):
        message = "the abort has no status, so that no request is aborted. Write httpStatus (or grpcStatus)"
        yield ABORT_WITHOUT_STATUS.at(rule.resource, (*rule.path, "fault", "abort"), message)
    if abort and share(abort) and (rule.spec.get("retries") or {}).get("attempts"):
        message = (
            "these retries do nothing for the injected aborts: a fault is answered before the retry logic, which only sees answers of the "
            "destination. To test retries, let the destination fail, or inject the fault at a hop behind this one"
        )
        yield RETRIES_OF_FAULTS.at(rule.resource, (*rule.path, "retries"), message)
    if delay and share(delay) and "timeout" in rule.spec:
        yield from _uncut(rule, delay)


def _uncut(rule: Rule, delay: Spec) -> Iterator[Finding]:
    wait, limit = nanoseconds(str(delay.get("fixedDelay", "0s"))), nanoseconds(str(rule.spec["timeout"]))
    if wait and limit and wait >= limit:
        message = (
            f"the delay of {delay['fixedDelay']} is not cut short by the timeout of {rule.spec['timeout']} of the "
            "same rule, which begins only "
            f"behind the delay: delayed requests succeed late. To test the timeout, delay at a hop behind this one"
        )
        yield DELAY_BEYOND_TIMEOUT.at(rule.resource, (*rule.path, "timeout"), message)


def share(fault: Spec) -> float:
    """The share of the requests in per cent; nothing given means none."""
    if "percentage" in fault:
        return float((fault["percentage"] or {}).get("value", 0))
    return float(fault.get("percent", 0))


def _share(rule: Rule, kind: str, fault: Spec, path: Path) -> Iterator[Finding]:
    done = "delayed" if kind == "delay" else "aborted"
    if "percentage" not in fault and "percent" not in fault:
        message = (
            f"the {kind} has no percentage, which means 0, so that no request is {done}. Write percentage: "
            f"{{value: 100}} for all of them"
        )
        yield FAULT_WITHOUT_PERCENTAGE.at(rule.resource, path, message)
    elif "percentage" in fault and "value" not in (fault["percentage"] or {}):
        message = f"the percentage has no value, which means 0, so that no request is {done}. Write value: 100 for all of them"
        yield FAULT_WITHOUT_PERCENTAGE.at(rule.resource, (*path, "percentage"), message)
    elif "percentage" in fault:
        yield from below_one(rule, fault["percentage"], (*path, "percentage", "value"), done)
    if fault.get("percent") and "percentage" not in fault:
        message = f"percent is deprecated. Write percentage: {{value: {fault['percent']}}}"
        yield DEPRECATED_PERCENT.at(rule.resource, (*path, "percent"), message)


def below_one(rule: Rule, percentage: Spec, path: Path, done: str) -> Iterator[Finding]:
    """A share that is probably meant as a fraction of 1."""
    value = float(percentage.get("value", 0))
    if 0 < value < 1:
        message = (
            f"{value:g} is a percentage: {percent(value)} of the requests (1 in {round(100 / value)}) are {done}. "
            f"Write {100 * value:g} if {percent(100 * value)} are meant"
        )
        yield PERCENTAGE_BELOW_ONE.at(rule.resource, path, message)
