"""Host names as Istio compares them (`pkg/config/host`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshtest.resources.name import address
from meshtest.topology.service import DOMAIN


def resolved(host: str, namespace: str) -> str:
    """A name without dots is a Service of `namespace`; any other name is taken as it stands (`reviews.default` too)."""
    # An address has a dot or a colon.
    return host if "." in host or ":" in host or host == "*" else f"{host}.{namespace}.{DOMAIN}"


def wildcard(host: str) -> bool:
    """Whether the host starts with `*`."""
    return host.startswith("*")


def matches(one: str, other: str) -> bool:
    """Whether the two, either of them perhaps a wildcard, have a name in common."""
    if wildcard(one) and wildcard(other):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    if wildcard(one):
        return other.endswith(one[1:])
    return one.endswith(other[1:]) if wildcard(other) else one == other


def within(one: str, other: str) -> bool:
    """Whether each name that `one` stands for is one that `other` stands for."""
    if wildcard(one) and not wildcard(other):
        return False
    return one == other or (wildcard(other) and one.removeprefix("*").endswith(other[1:]))


def intersection(some: Sequence[str], others: Sequence[str]) -> list[str]:
    """The narrower name of each pair of which one lies within the other, in order and once."""
    out: dict[str, None] = {}
    for one in some:
        for other in others:
            if within(one, other):
                out[one] = None
            elif within(other, one):
                out[other] = None
    return list(out)


def specificity(host: str) -> tuple[bool, int, str]:
    """Sorts the most specific first: names before wildcards, long before short (`host.Names.Less`)."""
    return (wildcard(host), -len(host), host)


def most_specific(host: str, candidates: Iterable[str]) -> str | None:
    """The candidate that matches `host` most specifically, if any does."""
    return min(
        (each for each in candidates if each == host or (wildcard(each) and within(host, each))),
        key=specificity,
        default=None,
    )


def alternative_names(hostname: str, namespace: str) -> list[str]:
    """Other forms of a name that a proxy in `namespace` may use (`GenerateAltVirtualHosts`; ports are ignored in matching).

    Only names of Kubernetes have short forms: `reviews`, `reviews.default`, `reviews.default.svc`.
    """
    names = [] if address(hostname) else [f"{hostname}."]
    suffix = f".{DOMAIN}"
    if hostname.endswith(suffix):
        short = hostname.removesuffix(suffix)
        name, dot, own = short.partition(".")
        if dot and "." not in own:
            names += [name, f"{short}.svc", short] if own == namespace else [short, f"{short}.svc"]
    return names
