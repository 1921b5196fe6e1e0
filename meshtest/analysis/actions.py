"""What rules do with requests on the way: mirrors, rewrites, redirects, headers and CORS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from meshtest.analysis.binding import Binding, bindings, merged_rules
from meshtest.analysis.catalogue import (
    ANY_ORIGIN_WITH_CREDENTIALS,
    DEPRECATED_PERCENT,
    HEADER_SET_TWICE,
    HEADER_WITHOUT_EFFECT,
    HOST_SET_TWICE,
    IMPOSSIBLE_ORIGIN,
    MIRROR_OFF,
    MIRROR_TO_ITSELF,
    NO_ORIGIN,
    PREFLIGHTS_NOT_MATCHED,
    REDIRECT_LOOP,
    REWRITE_JOINT,
    REWRITE_OF_REGEX,
)
from meshtest.analysis.faults import below_one
from meshtest.analysis.finding import Finding
from meshtest.analysis.pattern import path as path_pattern
from meshtest.analysis.pattern import pattern
from meshtest.analysis.sentence import destination
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.translate.virtual_service import Rule

Spec = Mapping[str, Any]
_HOST = ("host", ":authority")


def check(world: World) -> Iterator[Finding]:
    """The actions of each rule."""
    for binding in bindings(world):
        for rule in binding.rules.http:
            spec = rule.spec
            if "mirror" in spec or "mirrors" in spec:
                yield from _mirrors(rule)
            if "headers" in spec or any("headers" in each for each in spec.get("route", [])):
                yield from _headers(rule)
            if "corsPolicy" in spec:
                yield from _cors(rule, spec["corsPolicy"])
            if "redirect" in spec:
                yield from _redirect(binding, rule, spec["redirect"])
        if not binding.delegate:
            yield from _rewrites(merged_rules(world, binding))


def _mirrors(rule: Rule) -> Iterator[Finding]:
    spec = rule.spec
    mirrors = [
        (each["destination"], each.get("percentage"), (*rule.path, "mirrors", index))
        for index, each in enumerate(spec.get("mirrors", []))
    ]
    if "mirror" in spec:
        mirrors.append((spec["mirror"], spec.get("mirrorPercentage"), (*rule.path, "mirror")))
    live = [each["destination"] for each in spec.get("route", []) if each.get("weight") or len(spec["route"]) == 1]
    for target, percentage, path in mirrors:
        at = (*rule.path, "mirrorPercentage") if path[-1] == "mirror" else (*path, "percentage")
        if percentage is not None and not percentage.get("value"):
            message = f"0 % of the requests are mirrored to {destination(target)}. Give a value above 0, or take the mirror away"
            yield MIRROR_OFF.at(rule.resource, at, message)
        elif percentage is not None:
            yield from below_one(rule, percentage, (*at, "value"), "mirrored")
        if len(live) == 1 and destination(live[0]) == destination(target):
            message = (
                f"requests go to {destination(target)} already, which gets each mirrored one twice. Mirror to "
                "another subset or service"
            )
            yield MIRROR_TO_ITSELF.at(rule.resource, path, message)
    for field in ("mirrorPercent", "mirror_percent"):
        if field in spec:
            message = f"{field} is deprecated. Write mirrorPercentage: {{value: {spec[field]}}}"
            yield DEPRECATED_PERCENT.at(rule.resource, (*rule.path, field), message)


def _rewrites(rules: Sequence[Rule]) -> Iterator[Finding]:
    for rule in rules:
        uri = rule.spec.get("rewrite", {}).get("uri", "")
        if uri:
            yield from _rewrite(rule, uri)


def _rewrite(rule: Rule, uri: str) -> Iterator[Finding]:
    path = (*rule.path, "rewrite", "uri") if "rewrite" in _own(rule) else rule.path
    for match in rule.spec.get("match") or [{}]:
        given = (match or {}).get("uri", {"prefix": "/"})
        if "regex" in given:
            if not path_pattern(given).values:
                message = (
                    f"the whole path is replaced where a regular expression matched it: each request of this rule goes to {uri}. "
                    f"Match a prefix, or use uriRegexRewrite to keep the rest of the path"
                )
                yield REWRITE_OF_REGEX.at(rule.resource, path, message)
                return
            continue
        prefix = given.get("prefix")
        if not prefix or prefix.endswith("/") == uri.endswith("/"):
            continue
        if prefix.endswith("/"):
            what = f"{prefix}x becomes {uri}x"
            remedy = f"Write rewrite.uri: {uri}/"
        else:
            what = f"{prefix}/x becomes {uri}/x, with a slash too many"
            remedy = (
                f"Match the prefix {prefix}/ (and {prefix} by itself, if it is called), or rewrite to "
                f"{uri.rstrip('/') or 'a path without the last slash'}"
            )
        yield REWRITE_JOINT.at(
            rule.resource, path, f"the matched prefix is replaced letter by letter: {what}. {remedy}"
        )
        return


def _own(rule: Rule) -> Spec:
    value: Any = rule.resource.body
    for key in rule.path:
        value = value[key]
    own: Spec = value
    return own


def _redirect(binding: Binding, rule: Rule, redirect: Spec) -> Iterator[Finding]:
    """A target that this rule redirects again, at the same scheme, host and port."""
    target = redirect.get("uri")
    if any(key in redirect for key in ("scheme", "port", "derivePort")) or (
        target is None and "authority" not in redirect
    ):
        return
    authority = redirect.get("authority")
    if authority is not None and authority not in binding.rules.hosts:
        return
    for match in rule.spec.get("match") or [{}]:
        if set(match or {}) - {"uri", "name", "ignoreUriCase", "port", "gateways"}:
            continue
        taken = path_pattern((match or {}).get("uri"), bool((match or {}).get("ignoreUriCase")))
        if (target is None and "prefixRewrite" not in redirect) or (target is not None and taken.has(target)):
            where = target or "the same path"
            message = (
                f"the redirect leads to {where}, which this rule redirects again, so that clients go round until they give up. "
                f"Redirect to a path that the rule does not match, or to another host or scheme"
            )
            yield REDIRECT_LOOP.at(rule.resource, (*rule.path, "redirect"), message)
            return


def _headers(rule: Rule) -> Iterator[Finding]:
    routes = rule.spec.get("route", [])
    levels = [(rule.spec.get("headers", {}), (*rule.path, "headers"))]
    levels += [
        (each["headers"], (*rule.path, "route", index, "headers"))
        for index, each in enumerate(routes)
        if "headers" in each
    ]
    for level, path in levels:
        for side in ("request", "response"):
            yield from _level(rule, level.get(side, {}), (*path, side), side)
    top = levels[0][0]
    for level, path in levels[1:]:
        for side in ("request", "response"):
            yield from _two_levels(rule, top.get(side, {}), level.get(side, {}), (*path, side))
    yield from _hosts(rule, levels)


def _level(rule: Rule, given: Spec, path: Path, side: str) -> Iterator[Finding]:
    removed = {name.lower() for name in given.get("remove", [])}
    for index, name in enumerate(given.get("remove", [])):
        if side == "response" and name.lower() == "server":
            message = "the header server is set by Envoy behind this, so that removing it has no effect. Take it away"
            yield HEADER_WITHOUT_EFFECT.at(rule.resource, (*path, "remove", index), message)
    for how in ("set", "add"):
        for name, value in given.get(how, {}).items():
            if value == "":
                message = f"a header with an empty value is not sent, so that {name} is missing. Give it a value, or remove it"
                yield HEADER_WITHOUT_EFFECT.at(rule.resource, (*path, how, name), message)
            if name.lower() in removed:
                done = "set" if how == "set" else "added"
                message = f"{name} is removed and {done} at once; Envoy removes first, so that it is {done}. Keep the one that is meant"
                yield HEADER_SET_TWICE.at(rule.resource, (*path, how, name), message)


def _two_levels(rule: Rule, top: Spec, own: Spec, path: Path) -> Iterator[Finding]:
    above = {name.lower(): done for how, done in (("set", "set"), ("add", "added")) for name in top.get(how, {})}
    for name in own.get("set", {}):
        if name.lower() in above and name.lower() not in _HOST:
            message = f"{name} is {above[name.lower()]} for the whole rule too, and one value overrides the other. Set it in one place"
            yield HEADER_SET_TWICE.at(rule.resource, (*path, "set", name), message)


def _hosts(rule: Rule, levels: list[tuple[Spec, Path]]) -> Iterator[Finding]:
    """The rewrite of the rule beats the headers of the rule, and these those of the destination."""
    places = (
        [((*rule.path, "rewrite", "authority"), "the rewrite")] if rule.spec.get("rewrite", {}).get("authority") else []
    )
    for level, path in levels:
        request = level.get("request", {})
        for how in ("set", "add"):
            places += [
                ((*path, "request", how, name), "these headers")
                for name in request.get(how, {})
                if name.lower() in _HOST
            ]
    for place, _ in places[1:2]:
        line = rule.resource.line(*places[0][0])
        message = (
            f"the host is set at line {line} already, which counts, so that this has no effect. Set it in one place"
        )
        yield HOST_SET_TWICE.at(rule.resource, place, message)


_ORIGIN = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]+")


def _cors(rule: Rule, cors: Spec) -> Iterator[Finding]:
    for index, match in enumerate(rule.spec.get("match", [])):
        if match and "method" in match and not pattern(match["method"]).has("OPTIONS"):
            message = (
                "browsers ask for permission by OPTIONS first, which this match does not take, so that the CORS policy does not answer: "
                "such preflights go to other rules, or get 404. Match the method OPTIONS too"
            )
            yield PREFLIGHTS_NOT_MATCHED.at(rule.resource, (*rule.path, "match", index, "method"), message)
    if not cors.get("allowOrigins") and not cors.get("allowOrigin"):
        message = (
            "no origin is allowed, so that browsers keep the answers from every other site, as without the policy. "
            "Name the origins under allowOrigins"
        )
        yield NO_ORIGIN.at(rule.resource, (*rule.path, "corsPolicy"), message)
    for index, origin in enumerate(cors.get("allowOrigins", [])):
        yield from _origin(
            rule, origin, (*rule.path, "corsPolicy", "allowOrigins", index), bool(cors.get("allowCredentials"))
        )


def _origin(rule: Rule, origin: Spec, path: Path, credentials: bool) -> Iterator[Finding]:
    exact = origin.get("exact", "")
    if exact and exact != "*" and exact != "null":
        problem = ""
        if "*" in exact:
            problem = "* is no wildcard inside an exact origin. Write a regex"
        elif not _ORIGIN.match(exact):
            problem = f"an origin begins with its scheme. Write https://{exact}"
        elif not _ORIGIN.fullmatch(exact):
            problem = (
                f"an origin is scheme, host and port, without a path or a / at its end. Write {_ORIGIN.match(exact)[0]}"  # type: ignore[index]
            )
        if problem:
            yield IMPOSSIBLE_ORIGIN.at(
                rule.resource,
                (*path, "exact"),
                f"no browser sends the origin {exact}, so that it is not allowed: {problem}",
            )
    everything = exact == "*" or origin.get("regex") in (".*", "^.*$", "*")
    if everything and credentials:
        message = (
            "each site on the web may call this with the user's cookies and read the answer, since allowCredentials is true. "
            "Name the origins that may, or do not allow credentials"
        )
        yield ANY_ORIGIN_WITH_CREDENTIALS.at(rule.resource, path, message)
