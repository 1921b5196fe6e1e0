"""Which virtual host takes a request (`RouteMatcher::findVirtualHost` in `source/common/router/config_impl.cc`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def virtual_host_for(routes: Json, authority: str) -> tuple[Json, str] | None:
    """The virtual host and the one of its domains that counts: the full name, the longest wildcard before, the longest behind, any."""
    host = host_of(authority) if routes.get("ignore_port_in_host_matching") else authority.lower()
    ranked = [
        (rank, number, each, domain)
        for number, each in enumerate(routes["virtual_hosts"])
        for domain in each["domains"]
        if (rank := _rank(domain.lower(), host))
    ]
    if not ranked:
        return None
    _, _, found, domain = max(ranked, key=lambda entry: (entry[0], -entry[1]))
    return found, domain


def host_of(authority: str) -> str:
    """The host without its port, in small letters; the brackets of an IPv6 address stay."""
    host, colon, rest = authority.lower().rpartition(":")
    return host if colon and "]" not in rest else authority.lower()


def _rank(domain: str, host: str) -> tuple[int, int] | None:
    if domain == host:
        return (4, 0)
    if domain == "*":
        return (1, 0)
    if len(host) < len(domain):  # a wildcard stands for at least one character
        return None
    if domain.startswith("*") and host.endswith(domain[1:]):
        return (3, len(domain))
    return (2, len(domain)) if domain.endswith("*") and host.startswith(domain[:-1]) else None
