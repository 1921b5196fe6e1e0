"""Tokens: RequestAuthentications that nobody requires, and policies that want tokens nobody checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from meshtest.analysis.authorization import Policy, policies
from meshtest.analysis.binding import bindings
from meshtest.analysis.caller_headers import authentications
from meshtest.analysis.catalogue import PRIVATE_KEY_PUBLISHED, TOKEN_NOT_REQUIRED, TOKEN_UNCHECKED
from meshtest.analysis.finding import Finding
from meshtest.analysis.host import listed
from meshtest.analysis.world import World, selector_of
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource

_FIELDS = ("requestPrincipals", "notRequestPrincipals")
_PRIVATE = ("d", "p", "q", "k")


def check(world: World) -> Iterator[Finding]:
    """Each RequestAuthentication, and each policy that looks at tokens."""
    for resource in world.security("RequestAuthentication"):
        yield from _required(world, resource)
        for index, rule in enumerate(resource.spec.get("jwtRules") or []):
            yield from _keys(resource, str(rule.get("jwks", "")), ("spec", "jwtRules", index, "jwks"))
    for policy in policies(world):
        if policy.workloads:
            yield from _checked(world, policy)


def _looks_at_tokens(policy: Policy) -> bool:
    if policy.action == "CUSTOM":
        return True
    for index in range(len(policy.rules)):
        if any(field in _FIELDS for field, _, _ in policy.values(index)):
            return True
        if any(key.startswith("request.auth.") for key, _, _ in policy.conditions(index)):
            return True
    return False


def _required(world: World, resource: Resource) -> Iterator[Finding]:
    if resource.spec.get("targetRefs") or not resource.spec.get("jwtRules"):
        return
    selector = selector_of(resource)
    selected = world.selected(resource, selector)
    if selector and not selected and world.workloads.all and world.pods_known:
        return  # said elsewhere
    mine = {id(pod) for pod in selected}
    for policy in policies(world):
        if (
            policy.targeted
            or mine & {id(pod) for pod in policy.workloads}
            or (not mine and policy.resource.namespace in (resource.namespace, world.root))
        ) and _looks_at_tokens(policy):
            return
    if any(
        name.startswith("@request.auth")
        for each in bindings(world)
        for rule in each.rules.http
        for match in rule.spec.get("match", [])
        for name in match.get("headers", {})
    ):
        return
    text = ", ".join(f"{key}={value}" for key, value in selector.items()) or "these workloads"
    message = (
        f"requests without any token pass: this refuses bad tokens only. To require one for {text}, add an AuthorizationPolicy "
        f'with action DENY and notRequestPrincipals: ["*"] (or ALLOW with requestPrincipals)'
    )
    yield TOKEN_NOT_REQUIRED.at(resource, ("spec", "jwtRules"), message)


def _checked(world: World, policy: Policy) -> Iterator[Finding]:
    for index in range(len(policy.rules)):
        wanted = [(field, value, path) for field, value, path in policy.values(index) if field in _FIELDS]
        wanted += [(key, "*", path) for key, _, path in policy.conditions(index) if key.startswith("request.auth.")]
        if not wanted:
            continue
        found = [each for pod in policy.workloads for each in authentications(world, pod)]
        if any(each.spec.get("targetRefs") for each in found):
            continue
        issuers = {str(rule.get("issuer", "")) for each in found for rule in each.spec.get("jwtRules") or []}
        if not issuers:
            field, _, path = wanted[0]
            yield TOKEN_UNCHECKED.at(
                policy.resource, path[:-1] if field in _FIELDS else path, _unchecked(policy, field)
            )
            continue
        for field, value, path in wanted:
            if field in _FIELDS and not _of_issuer(value, issuers):
                message = (
                    f"no RequestAuthentication of these workloads accepts tokens of the issuer in {value} (accepted "
                    f"are {listed(sorted(issuers))}), so that no request "
                    f"has such a principal, {_effect(policy, field)}. Write ISSUER/SUBJECT with one of these"
                )
                yield TOKEN_UNCHECKED.at(policy.resource, path, message)


def _unchecked(policy: Policy, field: str) -> str:
    return (
        f"no RequestAuthentication checks tokens at these workloads, so that no request has what {field} looks at, "
        f"{_effect(policy, field)}. "
        f"Add a RequestAuthentication for them"
    )


def _effect(policy: Policy, field: str) -> str:
    if field.startswith("not"):
        return "and the rule applies to every request" if policy.action == "DENY" else "and it excludes nobody"
    return "and the rule denies nothing" if policy.action == "DENY" else "and the rule allows nobody"


def _of_issuer(value: str, issuers: set[str]) -> bool:
    if value.startswith("*"):
        return True
    if value.endswith("*"):
        begin = value[:-1]
        return any(f"{issuer}/".startswith(begin) or begin.startswith(f"{issuer}/") for issuer in issuers)
    return any(value.startswith(f"{issuer}/") for issuer in issuers)


def _keys(resource: Resource, jwks: str, path: Path) -> Iterator[Finding]:
    try:
        found: Any = json.loads(jwks) if jwks else {}
    except (ValueError, RecursionError):
        return
    keys = found.get("keys") if isinstance(found, dict) else None
    for index, key in enumerate(keys if isinstance(keys, list) else []):
        if isinstance(key, dict) and any(field in key for field in _PRIVATE):
            message = (
                f"key {index} holds its private part, with which whoever reads this resource can sign tokens. "
                "Publish the public part only (n and e, or x and y), "
                f"and make a new key"
            )
            yield PRIVATE_KEY_PUBLISHED.at(resource, path, message)
