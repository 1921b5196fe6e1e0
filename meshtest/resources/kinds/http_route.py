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
from meshtest.resources.schema import COUNT, DURATION, TEXT, ListOf, Message, Number, Report, Unsupported, Whole

SHARE = Message({"value": Number(0, 100)}, form="{value: 50}")
ROUTE_DESTINATION = Message(
    {"destination": DESTINATION, "weight": COUNT, "headers": HEADERS}, required=("destination",)
)


def _one_action(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    actions = [key for key in ("redirect", "directResponse", "delegate") if key in spec]
    actions += ["route"] if spec.get("route") else []
    if not actions:
        report(path, "a rule needs a route, a redirect or a directResponse")
    if len(actions) > 1:
        report((*path, actions[0]), f"a rule cannot have both {actions[0]} and {actions[1]}: keep one")
    for action in ("redirect", "directResponse"):
        for other in ("fault", "rewrite"):
            if action in spec and other in spec:
                report((*path, other), f"a rule with a {action} cannot have a {other}: no request is forwarded")


def _weights(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    weights = [route.get("weight", 0) for route in spec.get("route", [])]
    if len(weights) > 1 and not sum(weights):
        report(
            (*path, "route"),
            f"the weights of the {len(weights)} destinations add up to 0, so that none would get a request",
        )
    if sum(weights) >= 2**32:
        report((*path, "route"), "the weights add up to 2^32 or more, which Envoy does not take")


def _authority_once(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    given = spec.get("headers", {}).get("request", {})
    set_by = ["rewrite.authority"] if spec.get("rewrite", {}).get("authority") else []
    for how in ("set", "add"):
        set_by += [
            f"headers.request.{how}.{key}" for key in given.get(how, {}) if key.lower() in ("host", ":authority")
        ]
    if len(set_by) > 1:
        report((*path, *set_by[1].split(".")), f"the host is set twice, by {' and '.join(set_by)}: keep one")


HTTP_ROUTE = Message(
    {
        "name": TEXT,
        "match": ListOf(HTTP_MATCH),
        "route": ListOf(ROUTE_DESTINATION),
        "redirect": REDIRECT,
        "directResponse": DIRECT_RESPONSE,
        "delegate": Unsupported(),
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
    one_of=(("mirror", "mirrors"),),
    rules=(_one_action, _weights, _authority_once),
    nullable=("mirrorPercent", "mirror_percent"),
)
