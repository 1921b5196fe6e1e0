"""Trust domains in the principals of a policy, and in names of callers (`pilot/pkg/security/trustdomain`, `pkg/spiffe`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

DEFAULT = "cluster.local"  # in a principal it stands for the mesh's own trust domain


def with_aliases(principals: Iterable[str], domains: Sequence[str]) -> list[str]:
    """Principals of the mesh's own trust domain, the first of `domains`, with those of its aliases (`ReplaceTrustDomainAliases`).

    What has not the form `DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, or is of a foreign domain, stays as it is.
    """
    out: list[str] = []
    for principal in principals:
        domain, *rest = principal.split("/")
        own = domain == DEFAULT or any(_fits(each, domain) for each in domains)
        if len(rest) != 4 or domain == "*" or not own:
            out.append(principal)
        else:
            renamed = (principal if _ends_so(each, domain) else "/".join((each, *rest)) for each in domains)
            out += dict.fromkeys(renamed)
    return out


def identities(name: str, aliases: Sequence[str]) -> list[str]:
    """A name that a certificate may carry and, for `spiffe://DOMAIN/ns/...`, the same in each alias (`ExpandWithTrustDomains`)."""
    scheme, _, rest = name.partition("://")
    _, *path = rest.split("/")
    if scheme != "spiffe" or len(path) != 4 or (path[0], path[2]) != ("ns", "sa"):
        return [name]
    return [name, *("/".join((f"spiffe://{alias}", *path)) for alias in aliases)]


def expanded(domains_given: Iterable[str], domains: Sequence[str]) -> list[str]:
    """Trust domains, the mesh's own with all its aliases (`ExpandTrustDomainAliases`)."""
    return [*dict.fromkeys(each for given in domains_given for each in (domains if given in domains else [given]))]


def _fits(domain: str, pattern: str) -> bool:
    """Whether a domain is the pattern, which may begin or end with `*` (`stringMatch`)."""
    if pattern == "*":
        return True
    return domain == pattern or _ends_so(domain, pattern) or (pattern.endswith("*") and domain.startswith(pattern[:-1]))


def _ends_so(domain: str, pattern: str) -> bool:
    return pattern.startswith("*") and domain.endswith(pattern[1:])
