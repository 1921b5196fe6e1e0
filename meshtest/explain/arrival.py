"""What a proxy does with a connection: its filter chain, filter by filter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from meshtest.explain.absence import Rule
from meshtest.explain.absence_of_connections import Question, absent_for_connection
from meshtest.explain.applied import Applied
from meshtest.explain.connection import Connection, Tls
from meshtest.explain.destination import Destination, destination, weights
from meshtest.explain.filter_chain import Seen
from meshtest.explain.hop import End, Hop, Onward
from meshtest.explain.http_request import HttpRequest
from meshtest.explain.origin import noted, origin
from meshtest.explain.passthrough import passed_through
from meshtest.explain.rbac import ruling
from meshtest.translate.cluster_name import BLACK_HOLE, PASSTHROUGH
from meshtest.translate.snapshot import Proxy

if TYPE_CHECKING:
    from meshtest.explain.journey import Journey

Json = Mapping[str, Any]

LONGEST = 8
"""Hops; a call that takes more goes round in circles."""


class Arrival:
    """A connection in a filter chain."""

    def __init__(
        self, journey: Journey, hop: Hop, proxy: Proxy, listener: Json, chain: Json, found: Seen, depth: int
    ) -> None:
        self.journey, self.snapshot, self.hop, self.proxy = journey, journey.snapshot, hop, proxy
        self.listener, self.chain, self.found, self.depth = listener, chain, found, depth
        self.config = journey.config(proxy)

    def take(self, connection: Connection) -> None:
        """Go through the network filters."""
        self.hop.chain = self._chain_name()
        if "transport_socket" in self.chain:
            if problem := self._handshake(connection):
                self.hop.end = End(False, problem, connection.failed)
                return
            connection = connection.without_tls()
        for each in self.chain["filters"]:
            config = each["typed_config"]
            if each["name"] == "envoy.filters.network.rbac":
                if self.refused(config, connection, connection.failed):
                    return
            elif each["name"] == "envoy.filters.network.http_connection_manager":
                HttpRequest(self, config, connection).route()
            elif each["name"] == "envoy.filters.network.tcp_proxy":
                self._proxied(config, connection)

    def _chain_name(self) -> str:
        match = self.chain.get("filter_chain_match", {})
        ranges = [f"{each['address_prefix']}/{each['prefix_len']}" for each in match.get("prefix_ranges", ())]
        wanted = (("server name", match.get("server_names", ())), ("destination", ranges))
        return "; ".join(f"{what} {', '.join(values)}" for what, values in wanted if values)

    def _handshake(self, connection: Connection) -> str:
        """What keeps TLS from being ended here; empty if nothing does."""
        if not connection.tls:
            return "the listener takes TLS only, and the client speaks in the clear"
        context = self.chain["transport_socket"]["typed_config"]
        if not context.get("require_client_certificate") or connection.tls[0].identity:
            return ""
        if connection.source is not None:
            return "mutual TLS is wanted, and the caller proves no name"
        self.hop.applied.append(Applied("TLS", "the client must present a certificate"))
        return ""

    def refused(self, config: Json, connection: Connection, status: int) -> bool:
        """Ask an RBAC filter; whether it refuses, which ends the hop with this status."""
        found = ruling(self.snapshot, config, connection, self.found.server_name)
        if found is None:
            return False
        rules = "; ".join(found.rules) or "no policy takes it"
        if found.allowed is None:
            self.hop.depends = True
            self.hop.policies.append(f"{found.action}: it depends on what is known only when it is sent: {rules}")
            return False
        if found.allowed:
            self.hop.policies.append(f"{found.action}: allowed" + (f" by {rules}" if found.action == "ALLOW" else ""))
            return False
        why = f"denied by {rules}" if found.action == "DENY" else f"no ALLOW policy takes it: {rules}"
        self.hop.end = End(False, f"RBAC: access denied; {why}", status)
        return True

    def _proxied(self, config: Json, connection: Connection) -> None:
        made_of = origin(self.snapshot, self.chain, "tcp")
        if self.listener["name"] != "virtualInbound":
            self.hop.rule = Rule(str(made_of), made_of.where) if made_of else Rule("no VirtualService", "")
            question = Question(connection, self.found.server_name, made_of)
            self.hop.absent += absent_for_connection(self.snapshot, self.proxy, question)
        self.note_server()
        for cluster, share, _ in weights(config):
            self.hop.onward.append(self.onward(cluster, share, connection, None))

    def note_server(self) -> None:
        """Say of which server of a Gateway the filter chain is made, if it is of one."""
        note = noted(self.chain)
        if "server" in note:
            self.hop.servers = (f"{note['resource']} spec.servers[{note['server']}] at {note['where']}",)

    def onward(self, cluster: str, share: float, connection: Connection, authority: str | None) -> Onward:
        """To one cluster; `authority` is the host that a request asks for, None where bytes go on as they are."""
        found = destination(self.snapshot, self.proxy, self.config, cluster, share)
        failed = 503 if authority is not None else connection.failed
        if end := self._end_of(found, connection, failed):
            return Onward(found, end=end)
        sent = replace(connection, source=self.proxy.instance, identity="", decrypted=False, host="", failed=failed)
        if tls := self._upstream_tls(cluster, authority or ""):
            sent = replace(sent, tls=(tls, *sent.tls))
        hops: dict[str, Hop] = {}
        for endpoint in found.endpoints:
            if endpoint.instance is None:
                continue
            name = self.journey.name(Proxy(endpoint.instance))
            if name not in hops:
                hops[name] = self.journey.follow(endpoint, sent, self.depth + 1)
        outside = any(endpoint.instance is None for endpoint in found.endpoints)
        return Onward(found, tuple(hops.values()), End(True, "outside the mesh") if outside else None)

    def _end_of(self, found: Destination, connection: Connection, failed: int) -> End | None:
        """How the way ends at a cluster (`failed` is the status where it leads nowhere); None if proxies behind it are to be asked."""
        cluster, known = found.cluster, self.config.clusters.get(found.cluster)
        if cluster == BLACK_HOLE:
            says = "the destination is not known to this proxy, and only what is known is let out (REGISTRY_ONLY)"
            return End(False, says, failed, "UH")
        if found.handed_in:
            return End(True, f"the workload answers on port {_handed_to(known or {}, connection.port)}")
        if cluster == PASSTHROUGH:
            return passed_through(self.snapshot, connection, failed)
        if known and known["type"] == "ORIGINAL_DST":
            return End(True, f"it goes on to {connection.address or 'the address of its host'}:{connection.port}")
        if found.missing:
            return End(False, found.missing, failed, "UH" if known else "NC")
        return End(False, "it goes round in circles") if self.depth >= LONGEST else None

    def _upstream_tls(self, cluster: str, authority: str) -> Tls | None:
        """The TLS that a cluster's connections begin with."""
        socket = self.config.clusters[cluster].get("transport_socket")
        if socket is None:
            return None
        context = socket["typed_config"]
        common = context.get("common_tls_context", {})
        proved = any(each["name"] == "default" for each in common.get("tls_certificate_sds_secret_configs", ()))
        instance, mesh = self.proxy.instance, self.snapshot.topology.config
        identity = mesh.identity(instance.namespace, instance.account) if proved else ""
        return Tls(context.get("sni", authority), common.get("alpn_protocols", ()), identity)


def _handed_to(cluster: Json, port: int) -> int:
    """The port of the workload that an inbound cluster leads to; that which was called unless a Sidecar says otherwise."""
    for group in cluster.get("load_assignment", {}).get("endpoints", ()):
        for member in group["lb_endpoints"]:
            return int(member["endpoint"]["address"].get("socket_address", {}).get("port_value", port))
    return port
