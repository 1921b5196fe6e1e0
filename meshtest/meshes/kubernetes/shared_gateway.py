"""A gateway that serves others, too: hosts of the run's own there, and what would still take from them. Pure.

Every host of a Gateway that a test applies, and of a VirtualService bound to one, gets the run's suffix, `*` as well
(`*.d41d8c.meshtest`), and so does what clients ask for: others are served as before, and two runs do not meet. Calls within the mesh keep
their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from meshtest.resources.problem import Problem
from meshtest.resources.resource import Resource
from meshtest.translate.host import matches

Json = Mapping[str, Any]

_WITHOUT_HOSTS = ("TCP", "MONGO", "MYSQL", "REDIS")  # protocols by which nobody says whom they ask for
_MESH = "mesh"


@dataclass(frozen=True)
class OwnHosts:
    """Hosts that end in a suffix."""

    suffix: str

    def of(self, host: str) -> str:
        """The host, or `host:port`, as it is asked for; an address stays one, since nobody can be asked by another name then."""
        name, colon, port = host.partition(":")
        return f"{name}.{self.suffix}{colon}{port}" if name and not self.has(name) else host

    def has(self, host: str) -> bool:
        """Whether nobody else is asked by this host, or any that it stands for."""
        return host.endswith(f".{self.suffix}")

    def resource(self, resource: Resource) -> Resource:
        """The resource with hosts of the run's own, where it is for a gateway."""
        change = {"Gateway": self._gateway, "VirtualService": self._virtual_service}.get(resource.kind)
        if change is None or not resource.api_version.startswith("networking.istio.io/"):
            return resource
        return replace(resource, body={**resource.body, "spec": change(resource.spec)})

    def _gateway(self, spec: Json) -> Json:
        servers = [{**each, "hosts": [self._named(host) for host in each["hosts"]]} for each in spec["servers"]]
        return {**spec, "servers": servers}

    def _named(self, host: str) -> str:
        """A host of a Gateway, which may name a namespace before it."""
        namespace, slash, name = host.rpartition("/")
        return f"{namespace}{slash}{self.of(name)}"

    def _virtual_service(self, spec: Json) -> Json:
        gateways = spec.get("gateways") or [_MESH]
        if gateways == [_MESH] or "hosts" not in spec:
            return spec
        kept = spec["hosts"] if _MESH in gateways else []
        rules = {name: [self._rule(each) for each in spec[name]] for name in ("http", "tls") if name in spec}
        return {**spec, **rules, "hosts": [*kept, *map(self.of, spec["hosts"])]}

    def _rule(self, rule: Json) -> Json:
        """A rule that looks at the authority, or at the server's name, looks at that which is asked for."""
        if "match" not in rule:
            return rule
        return {**rule, "match": [self._match(each) for each in rule["match"]]}

    def _match(self, match: Json) -> Json:
        exact = match.get("authority", {}).get("exact")
        names = {"sniHosts": [self.of(each) for each in match["sniHosts"]]} if "sniHosts" in match else {}
        return {**match, **names, **({"authority": {"exact": self.of(exact)}} if exact else {})}


def taken_from_others(
    own: Iterable[Resource], others: Iterable[Resource], labels: Mapping[str, str], hosts: OwnHosts
) -> list[Problem]:
    """What Gateways of our own would take from those of others, at a gateway whose pods have these labels.

    Hosts of the run's own are nobody else's, also where another Gateway takes `*`: it goes on to be asked by all others.
    """
    theirs = [each for each in others if _selects(each, labels)]
    return [
        problem
        for each in own
        if _selects(each, labels)
        for number, server in enumerate(each.spec["servers"])
        for problem in _taken(each, number, server, theirs, hosts)
    ]


def _taken(own: Resource, number: int, server: Json, theirs: Iterable[Resource], hosts: OwnHosts) -> Iterator[Problem]:
    for other in theirs:
        for their in other.spec.get("servers") or ():
            if their["port"]["number"] == server["port"]["number"] and (host := _common(server, their, hosts)):
                port = server["port"]["number"]
                yield Problem(
                    own,
                    ("spec", "servers", number, "hosts"),
                    f"would take {host} on port {port} from {other}, which is not this test's; use another port or host, "
                    "or insist on it with --mesh-insist",
                )
                break


def _common(server: Json, their: Json, hosts: OwnHosts) -> str:
    """A host that both take and that is not the run's own; empty if there is none."""
    if any(str(each["port"].get("protocol", "")).upper() in _WITHOUT_HOSTS for each in (server, their)):
        return "all connections"
    ours = [host for host in map(_plain, server["hosts"]) if not hosts.has(host)]
    pairs = ((one, _plain(other)) for one in ours for other in their.get("hosts") or ())
    return next((f"{other} (by {one})" if one != other else one for one, other in pairs if matches(one, other)), "")


def _plain(host: str) -> str:
    return host.rpartition("/")[2]


def _selects(resource: Resource, labels: Mapping[str, str]) -> bool:
    if resource.kind != "Gateway" or not resource.api_version.startswith("networking.istio.io/"):
        return False
    return (resource.spec.get("selector") or {}).items() <= dict(labels).items()


def serves_others(others: Iterable[Resource], labels: Mapping[str, str]) -> bool:
    """Whether a gateway whose pods have these labels has a Gateway already."""
    return any(_selects(each, labels) for each in others)
