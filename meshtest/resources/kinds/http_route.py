"""One rule for HTTP traffic (`HTTPRoute`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.cors import CORS
from meshtest.resources.kinds.destination import DESTINATION
from meshtest.resources.kinds.direct_response import DIRECT_RESPONSE
from meshtest.resources.kinds.fault import FAULT
from meshtest.resources.kinds.headers import HEADERS
from meshtest.resources.kinds.http_match import HTTP_MATCH
from meshtest.resources.kinds.redirect import REDIRECT
from meshtest.resources.kinds.retries import RETRIES
from meshtest.resources.kinds.rewrite import REWRITE
from meshtest.resources.kinds.weights import weighed
from meshtest.resources.schema import COUNT, DURATION, TEXT, ListOf, Message, Number, Report, Whole

DELEGATE = Message({"name": TEXT, "namespace": TEXT}, form="{name: reviews, namespace: default}")
SHARE = Message({"value": Number(0, 100)}, form="{value: 50}")
ROUTE_DESTINATION = Message(
    {"destination": DESTINATION, "weight": COUNT, "headers": HEADERS}, required=("destination",)
)


def _authority_once(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    given = spec.get("headers", {}).get("request", {})
    set_by: list[Path] = [("rewrite", "authority")] if spec.get("rewrite", {}).get("authority") else []
    for how in ("set", "add"):
        set_by += [
            ("headers", "request", how, key)
            for key, value in given.get(how, {}).items()
            if key.lower() in ("host", ":authority") and value
        ]
    if len(set_by) > 1:
        both = " and ".join(".".join(map(str, each)) for each in set_by)
        report((*path, *set_by[1]), f"the host is set twice, by {both}: keep one")


def _prefixes(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not spec.get("redirect", {}).get("prefixRewrite"):
        return
    for index, match in enumerate(spec.get("match", [])):
        if "prefix" not in match.get("uri", {"prefix": ""}):
            report(
                (*path, "match", index, "uri"),
                "must be a prefix where redirect.prefixRewrite puts another in its place",
            )


HTTP_ROUTE = Message(
    {
        "name": TEXT,
        "match": ListOf(HTTP_MATCH),
        "route": ListOf(ROUTE_DESTINATION),
        "redirect": REDIRECT,
        "directResponse": DIRECT_RESPONSE,
        "delegate": DELEGATE,
        "rewrite": REWRITE,
        "timeout": DURATION,
        "retries": RETRIES,
        "fault": FAULT,
        "mirror": DESTINATION,
        "mirrors": ListOf(Message({"destination": DESTINATION, "percentage": SHARE}, required=("destination",))),
        "mirrorPercent": Whole(0, 100),
        "mirror_percent": Whole(0, 100),
        "mirrorPercentage": SHARE,
        "corsPolicy": CORS,
        "headers": HEADERS,
    },
    rules=(weighed, _authority_once, _prefixes),
    nullable=("mirrorPercent", "mirror_percent"),
)
