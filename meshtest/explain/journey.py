"""The way of a call through proxies, hop by hop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from meshtest.explain.absence_of_connections import Question, absent_for_connection
from meshtest.explain.address import address_of, outbound_listener
from meshtest.explain.arrival import Arrival
from meshtest.explain.call import Call
from meshtest.explain.connection import Connection, Tls
from meshtest.explain.destination import Endpoint
from meshtest.explain.entrance import entered, nothing_listens
from meshtest.explain.filter_chain import Seen, chain_for, seen
from meshtest.explain.hop import End, Explanation, Hop
from meshtest.explain.passthrough import not_found
from meshtest.translate.peer_authentication import STRICT, modes
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Proxy, Snapshot

Json = Mapping[str, Any]


def explain(snapshot: Snapshot, call: Call, source: Proxy | None = None) -> Explanation:
    """The way of a call: from a workload, or (None, or a gateway) from outside into a gateway. ValueError if there is no such way."""
    journey = Journey(snapshot)
    if source is not None and not source.gateway:
        return Explanation(call, journey.name(source), journey.from_workload(source, call))
    gateway = source or ingress(snapshot)
    call, hop = journey.from_outside(gateway, call)
    return Explanation(call, "outside", hop)


def ingress(snapshot: Snapshot) -> Proxy:
    """The ingress gateway; ValueError if the topology has none."""
    found = [each for each in snapshot.topology.instances if each.gateway]
    named = [each for each in found if each.labels.get("istio") == "ingressgateway"]
    if not found:
        raise ValueError("the topology has no gateway: say where the request comes from, with --from")
    return Proxy((named or found)[0])


class Journey:
    """Follows a call; what the proxies are sent is translated once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._configs: dict[str, ProxyConfig] = {}

    def name(self, proxy: Proxy) -> str:
        """The name of a proxy's workload."""
        instance = proxy.instance
        return next((name for name, own in self.snapshot.topology.names.items() if instance in own), instance.workload)

    def config(self, proxy: Proxy) -> ProxyConfig:
        """What a proxy is sent."""
        key = proxy.instance.address
        if key not in self._configs:
            self._configs[key] = translate(self.snapshot, proxy)
        return self._configs[key]

    def from_outside(self, proxy: Proxy, call: Call) -> tuple[Call, Hop]:
        """A call to a gateway's Service."""
        hop = Hop(self.name(proxy))
        found = entered(self.snapshot, proxy, self.config(proxy), call)
        if found is None:
            hop.end = End(False, nothing_listens(self.snapshot, proxy, call))
            return call, hop
        call, name, port = found
        hop.listener = name
        if port != call.port:
            hop.entered = f"port {call.port} of its Service is port {port} of its pod"
        connection = Connection(None, proxy.instance.address, port, _client_tls(call), call.request)
        self.arrive(hop, proxy, self.config(proxy).listeners[name], connection, 1)
        return call, hop

    def from_workload(self, proxy: Proxy, call: Call) -> Hop:
        """A call that a workload makes, and its sidecar intercepts."""
        if not call.host:
            path = call.request.value(":path") if call.request else ""
            raise ValueError(f"a call from a workload needs a URL with a host, such as http://reviews:9080{path}")
        hop = Hop(self.name(proxy))
        address = address_of(self.snapshot, proxy.namespace, call.host)
        if not address and (problem := not_found(self.snapshot, proxy.namespace, call.host)):
            hop.end = End(False, problem)
            return hop
        config = self.config(proxy)
        hop.listener = outbound_listener(config, address, call.port)
        if address != call.host and hop.listener.startswith(f"{address}_"):
            hop.entered = f"{call.host} is {address}"
        connection = Connection(proxy.instance, address, call.port, _client_tls(call), call.request, host=call.host)
        self.arrive(hop, proxy, config.listeners[hop.listener], connection, 1)
        return hop

    def arrive(self, hop: Hop, proxy: Proxy, listener: Json, connection: Connection, depth: int) -> None:
        """A connection comes to a listener."""
        found = seen(listener, connection)
        chain = chain_for(listener, found)
        if chain is None:
            hop.absent += absent_for_connection(self.snapshot, proxy, Question(connection, found.server_name, None))
            hop.end = End(False, self._no_chain(proxy, listener, connection, found), connection.failed, "NR")
            return
        Arrival(self, hop, proxy, listener, chain, found, depth).take(connection)

    def follow(self, endpoint: Endpoint, connection: Connection, depth: int) -> Hop:
        """On to an endpoint's own proxy."""
        assert endpoint.instance
        proxy = Proxy(endpoint.instance)
        hop = Hop(self.name(proxy))
        sent = replace(connection, address=endpoint.address, port=endpoint.port)
        listeners = self.config(proxy).listeners
        hop.listener = _taking(listeners, endpoint, proxy.gateway)
        if hop.listener not in listeners:
            says = f"nothing listens on port {endpoint.port} of this gateway: no Gateway has a server there"
            hop.end = End(False, says, connection.failed, "UF")
            return hop
        self.arrive(hop, proxy, listeners[hop.listener], sent, depth)
        return hop

    def _no_chain(self, proxy: Proxy, listener: Json, connection: Connection, found: Seen) -> str:
        strict = listener["name"] == "virtualInbound" and modes(self.snapshot, proxy).of_port(found.port) == STRICT
        if strict and not connection.tls:
            kinds = [str(each) for each in self.snapshot.of_kind("PeerAuthentication")]
            return (
                f"the workload takes mutual TLS only (mode STRICT of {', '.join(kinds)}), and the caller sends in the clear: "
                "auto mTLS being off here, a DestinationRule for the host with tls mode ISTIO_MUTUAL is missing"
            )
        matches = [each.get("filter_chain_match", {}) for each in listener["filter_chains"]]
        names = [name for match in matches for name in match.get("server_names", ())]
        if connection.tls:
            return f"no server takes the name {found.server_name or '(none)'} (SNI); there are {', '.join(names) or 'none'}"
        return f"the listener takes TLS only, for {', '.join(names) or 'any name'}, and the client speaks in the clear"


def _taking(listeners: Mapping[str, Json], endpoint: Endpoint, gateway: bool) -> str:
    """The listener at an endpoint: its own if it has one, else that of all ports, or what takes intercepted connections."""
    names = (f"{endpoint.address}_{endpoint.port}", f"0.0.0.0_{endpoint.port}")
    bound = [
        name for name in names if name in listeners and (gateway or listeners[name]["traffic_direction"] == "INBOUND")
    ]
    return bound[0] if bound else names[1] if gateway else "virtualInbound"


def _client_tls(call: Call) -> Sequence[Tls]:
    if not call.encrypted:
        return ()
    return (Tls(call.server_name, ("h2", "http/1.1") if call.request is not None else ()),)
