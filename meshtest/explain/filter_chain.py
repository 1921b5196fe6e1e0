"""Which filter chain of a listener takes a connection (`source/common/listener_manager/filter_chain_manager_impl.cc`).

Envoy looks at one criterion after the other: port, address, server name, transport protocol, application protocol. At each it takes the
most specific value that some chain has, and never goes back; where it finds none, the default chain counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from meshtest.explain.connection import Connection

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """What a listener's filters find out about a connection."""

    port: int
    address: str
    server_name: str
    transport: str
    protocols: Sequence[str]


def seen(listener: Json, connection: Connection) -> Seen:
    """The server name and protocols are seen only where an inspector looks."""
    looking = {each["name"] for each in listener.get("listener_filters", []) if _enabled(each, connection.port)}
    port, address = connection.port, connection.address
    if connection.tls and "envoy.filters.listener.tls_inspector" in looking:
        outer = connection.tls[0]
        return Seen(port, address, outer.server_name, "tls", outer.protocols)
    plain = connection.request is not None and not connection.tls
    inspected = plain and "envoy.filters.listener.http_inspector" in looking
    return Seen(port, address, "", "raw_buffer", ("http/1.1",) if inspected else ())


def _enabled(listener_filter: Json, port: int) -> bool:
    return "filter_disabled" not in listener_filter or not _fits(listener_filter["filter_disabled"], port)


def _fits(rule: Json, port: int) -> bool:
    if "not_match" in rule:
        return not _fits(rule["not_match"], port)
    if "or_match" in rule:
        return any(_fits(each, port) for each in rule["or_match"]["rules"])
    ports = rule["destination_port_range"]
    return bool(ports["start"] <= port < ports["end"])


def chain_for(listener: Json, found: Seen) -> Json | None:
    """The chain for a connection; None if there is none, and Envoy closes it."""
    left: Sequence[Json] = listener.get("filter_chains", [])
    for narrow in (_by_port, _by_address, _by_server_name, _by_transport, _by_protocol):
        left = narrow(left, found)
    return left[0] if left else listener.get("default_filter_chain")


def _match(chain: Json) -> Json:
    match: Json = chain.get("filter_chain_match", {})
    return match


def _first(chains: Sequence[Json], *tests: Callable[[Json], bool]) -> list[Json]:
    """The chains that pass the first test that any of them passes."""
    for test in tests:
        if found := [chain for chain in chains if test(_match(chain))]:
            return found
    return []


def _by_port(chains: Sequence[Json], found: Seen) -> list[Json]:
    return _first(
        chains,
        lambda match: match.get("destination_port") == found.port,
        lambda match: "destination_port" not in match,
    )


def _by_address(chains: Sequence[Json], found: Seen) -> list[Json]:
    lengths = {length for chain in chains if (length := _length(_match(chain), found.address)) is not None}
    longest = max(lengths, default=-1)
    return [chain for chain in chains if _length(_match(chain), found.address) == longest]


def _length(match: Json, address: str) -> int | None:
    """How many bits of the address the match asks for, 0 if none; None if it asks for another."""
    if not match.get("prefix_ranges"):
        return 0
    if not address:
        return None
    given = ip_address(address)
    fitting = [
        each["prefix_len"]
        for each in match["prefix_ranges"]
        if given in ip_network(f"{each['address_prefix']}/{each['prefix_len']}", strict=False)
    ]
    return max(fitting, default=None)


def _by_server_name(chains: Sequence[Json], found: Seen) -> list[Json]:
    labels = found.server_name.split(".")
    names = [found.server_name, *("*." + ".".join(labels[n:]) for n in range(1, len(labels)))]
    tests = [_named(name) for name in names if name]
    return _first(chains, *tests, lambda match: not match.get("server_names"))


def _named(name: str) -> Callable[[Json], bool]:
    return lambda match: name in (each.lower() for each in match.get("server_names", ()))


def _by_transport(chains: Sequence[Json], found: Seen) -> list[Json]:
    return _first(
        chains,
        lambda match: match.get("transport_protocol") == found.transport,
        lambda match: not match.get("transport_protocol"),
    )


def _by_protocol(chains: Sequence[Json], found: Seen) -> list[Json]:
    tests = [_speaking(protocol) for protocol in found.protocols]
    return _first(chains, *tests, lambda match: not match.get("application_protocols"))


def _speaking(protocol: str) -> Callable[[Json], bool]:
    return lambda match: protocol in match.get("application_protocols", ())
