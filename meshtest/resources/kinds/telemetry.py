"""What a Telemetry may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.cel import expression
from meshtest.resources.document import Path
from meshtest.resources.kinds.policy_target import TARGETS, at_most_16_targets, one_target
from meshtest.resources.schema import (
    FINE_DURATION,
    FLAG,
    TEXT,
    Enum,
    ListOf,
    MapOf,
    Message,
    Number,
    Report,
    Text,
    Type,
)


def _not_empty(text: str) -> str | None:
    return None if text else "must not be empty"


_NAME = Text(_not_empty)
_MODE = Enum(("CLIENT_AND_SERVER", "CLIENT", "SERVER"))
_PROVIDERS = ListOf(Message({"name": _NAME}, required=("name",)))


def _operation(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    remove, value = spec.get("operation") == "REMOVE", spec.get("value", "")
    if remove and "value" in spec:
        report((*path, "value"), "has no meaning where the operation is REMOVE: take it away")
    if not remove and not value:
        report(path, "needs a value, or the operation REMOVE")


def _tag_key(text: str) -> str | None:
    return None if text else "the name of a tag must not be empty"


_NAMED = Message({"name": _NAME, "defaultValue": TEXT}, required=("name",))
_FILLED = Message({"value": _NAME}, required=("value",))
_TAG = Message(
    {"literal": _FILLED, "environment": _NAMED, "header": _NAMED, "formatter": _FILLED},
    one_of=(("literal", "environment", "header", "formatter"),),
    form="{literal: {value: a}}",
)
_METRICS = (
    *("ALL_METRICS", "REQUEST_COUNT", "REQUEST_DURATION", "REQUEST_SIZE", "RESPONSE_SIZE", "TCP_OPENED_CONNECTIONS"),
    *("TCP_CLOSED_CONNECTIONS", "TCP_SENT_BYTES", "TCP_RECEIVED_BYTES", "GRPC_REQUEST_MESSAGES"),
    "GRPC_RESPONSE_MESSAGES",
)

TELEMETRY: Type = Message(
    {
        **TARGETS,
        "tracing": ListOf(
            Message(
                {
                    "match": Message({"mode": _MODE}),
                    "providers": _PROVIDERS,
                    "randomSamplingPercentage": Number(0, 100),
                    "disableSpanReporting": FLAG,
                    "disableContextPropagation": FLAG,
                    "enableIstioTags": FLAG,
                    "useRequestIdForTraceSampling": FLAG,
                    "customTags": MapOf(_TAG, _tag_key),
                },
                nullable=(
                    "randomSamplingPercentage",
                    "disableSpanReporting",
                    "disableContextPropagation",
                    "enableIstioTags",
                    "useRequestIdForTraceSampling",
                ),
            )
        ),
        "metrics": ListOf(
            Message(
                {
                    "providers": _PROVIDERS,
                    "reportingInterval": FINE_DURATION,
                    "overrides": ListOf(
                        Message(
                            {
                                "disabled": FLAG,
                                "match": Message(
                                    {"metric": Enum(_METRICS), "customMetric": _NAME, "mode": _MODE},
                                    one_of=(("metric", "customMetric"),),
                                ),
                                "tagOverrides": MapOf(
                                    Message(
                                        {"operation": Enum(("UPSERT", "REMOVE")), "value": TEXT}, rules=(_operation,)
                                    )
                                ),
                            },
                            nullable=("disabled",),
                        )
                    ),
                }
            )
        ),
        "accessLogging": ListOf(
            Message(
                {
                    "match": Message({"mode": _MODE}),
                    "providers": _PROVIDERS,
                    "disabled": FLAG,
                    "filter": Message({"expression": Text(expression)}, required=("expression",)),
                },
                nullable=("disabled",),
            )
        ),
    },
    rules=(one_target, at_most_16_targets),
)
