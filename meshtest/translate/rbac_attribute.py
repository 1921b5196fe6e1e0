"""What an attribute of a request is to Envoy's RBAC filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

Json = dict[str, Any]
Matcher = Callable[[str, Sequence[str]], Json]


class Unchecked(Exception):
    """A filter of this kind cannot look at the attribute: a connection has no path, a key names nothing."""


@dataclass(frozen=True)
class Attribute:
    """`matcher` makes of a key and its values what must hold: that one of the values fits. `http` says that only requests have it."""

    matcher: Matcher
    http: bool = False

    def matching(self, key: str, values: Sequence[str], tcp: bool) -> Json:
        """What must hold; Unchecked if filters for TCP cannot tell, or for no filter."""
        if tcp and self.http:
            raise Unchecked(key)
        return self.matcher(key, values)


def in_brackets(key: str, prefix: str) -> str:
    """The `NAME` of `PREFIX[NAME]`."""
    rest = key.removeprefix(prefix)
    if not rest.startswith("[") or not rest.endswith("]"):
        raise Unchecked(key)
    return rest[1:-1]


def address_range(text: str) -> Json:
    """An IP address, or a range of them, as Envoy wants it (`AddrStrToCidrRange`)."""
    given, slash, length = text.partition("/")
    address = ip_address(given)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    written = f"::ffff:{mapped}" if mapped else str(address)  # as Go writes it
    return {"address_prefix": written, "prefix_len": int(length) if slash else address.max_prefixlen}
