"""Filter chains: what is done with connections that match (`filterChainOpts` in `listener.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

Json = dict[str, Any]

# What Envoy's HTTP inspector finds in the clear; HTTP/1.0 is passed on as bytes.
PLAIN_HTTP: Json = {"application_protocols": ["http/1.1", "h2c"], "transport_protocol": "raw_buffer"}
ANY_ADDRESS = "0.0.0.0"


@dataclass(frozen=True)
class Chain:
    """Network filters, and the connections that they are for: by server name, destination and protocol.

    `origin` says which rule, or which server of a Gateway, they are made of.
    """

    filters: Sequence[Json]
    server_names: Sequence[str] = ()
    destinations: Sequence[str] = ()
    application_protocols: Sequence[str] = ()
    transport_protocol: str = ""
    transport_socket: Json | None = None
    origin: Json | None = None

    @property
    def for_all(self) -> bool:
        """Whether each connection matches."""
        named = self.server_names and "*" not in self.server_names
        return not (named or self.destinations or self.application_protocols or self.transport_protocol)

    @property
    def match(self) -> Json:
        """Envoy's FilterChainMatch; a range of all addresses is none."""
        out: Json = {}
        if self.application_protocols:
            out["application_protocols"] = [*self.application_protocols]
        if self.transport_protocol:
            out["transport_protocol"] = self.transport_protocol
        if self.server_names and "*" not in self.server_names:
            out["server_names"] = sorted(self.server_names)
        if ranges := [_range(each) for each in sorted(self.destinations) if not _everywhere(each)]:
            out["prefix_ranges"] = ranges
        return out

    def conflicts_with(self, other: Chain) -> bool:
        """Whether Envoy would refuse the two together."""
        return self._key == other._key

    @property
    def _key(self) -> tuple[object, ...]:
        names = frozenset(self.server_names) - {"*"}
        ranges = frozenset(_network(each) for each in self.destinations if not _everywhere(each))
        return (self.transport_protocol, tuple(self.application_protocols), names, ranges)

    def as_json(self, **fields: Any) -> Json:
        """Envoy's FilterChain, without its match."""
        out: Json = {"filters": [*self.filters], **fields}
        if self.transport_socket:
            out["transport_socket"] = self.transport_socket
        if self.origin:
            out["metadata"] = {"filter_metadata": {"meshtest": self.origin}}
        return out


def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)


def _everywhere(text: str) -> bool:
    return text.partition("/")[0] == ANY_ADDRESS


def _range(text: str) -> Json:
    address, _, length = text.partition("/")
    return {"address_prefix": address, "prefix_len": int(length) if length else _network(text).prefixlen}
