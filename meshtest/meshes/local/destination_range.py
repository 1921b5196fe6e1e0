"""Listeners that tell ranges of destinations apart. Pure.

Without interception no connection says where it was going, so that each range is a listener of its own here.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

Json = dict[str, Any]


def in_range(listener: str, prefix: str) -> str:
    """The name of the part of a listener that is for a range of destinations."""
    return f"{listener} {prefix}"


def ranges(listener: Json) -> list[str]:
    """The ranges that a listener tells apart, the narrowest first."""
    found = {each for chain in listener.get("filter_chains", []) for each in prefixes(chain)}
    return sorted(found, key=lambda text: (-ip_network(text).prefixlen, text))


def range_of(listener: Json, destination: str) -> str | None:
    """The range that decides, as in Envoy the narrowest; None where no range holds the destination (an IP address, or empty)."""
    if not destination or not (found := ranges(listener)):
        return None
    wanted = ip_address(destination)
    return next((each for each in found if wanted in ip_network(each)), None)


def prefixes(chain: Json) -> list[str]:
    """The ranges that a filter chain is for; none for any."""
    found = chain.get("filter_chain_match", {}).get("prefix_ranges", ())
    return [str(ip_network(f"{each['address_prefix']}/{each['prefix_len']}", strict=False)) for each in found]
