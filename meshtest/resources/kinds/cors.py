"""Cross-origin requests (`CorsPolicy`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.string_match import KINDS_OF_MATCH, REGEX
from meshtest.resources.schema import DURATION, FLAG, TEXT, Enum, ListOf, Message, Report, Text


def _origin(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not any(spec.values()):
        report(path, "must say which origin: exact, prefix or regex, not empty")


def _max_age(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if "." in spec.get("maxAge", ""):
        report((*path, "maxAge"), f"counts in whole seconds; this is {spec['maxAge']}")


CORS = Message(
    {
        "allowOrigin": ListOf(TEXT),
        "allowOrigins": ListOf(
            Message(
                {"exact": TEXT, "prefix": TEXT, "regex": REGEX},
                one_of=(KINDS_OF_MATCH,),
                rules=(_origin,),
                form="{exact: https://example.com}",
            )
        ),
        "allowMethods": ListOf(
            Enum(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"))
        ),
        "allowHeaders": ListOf(Text(name.header)),
        "exposeHeaders": ListOf(Text(name.header)),
        "maxAge": DURATION,
        "allowCredentials": FLAG,
        "unmatchedPreflights": Enum(("UNSPECIFIED", "FORWARD", "IGNORE")),
    },
    rules=(_max_age,),
    nullable=("allowCredentials",),
)
