"""Certificates for the servers of Gateways, in Secrets as Istio reads them, where a cluster has none of the name. Pure but for the keys."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from meshtest.authority import Authority
from meshtest.resources.manifest import read_objects
from meshtest.resources.resource import Resource

Json = dict[str, Any]
Key = tuple[str, str, str, str]

_PROVING = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")


def credentials(
    gateways: Iterable[Resource], namespace: str, there: Collection[str], authority: Authority
) -> dict[Key, Resource]:
    """A Secret in the namespace of the gateway's pods for each `credentialName` that is not `there`, issued by the run's authority.

    Its certificate is for the server's hosts; clients who are asked for one prove themselves by the same authority.
    """
    wanted = {name: hosts for each in gateways for name, hosts in _wanted(each) if name not in there}
    made = [_secret(name, namespace, hosts, authority) for name, hosts in sorted(wanted.items())]
    return {each.key: each for each in read_objects(made)}


def _wanted(gateway: Resource) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names of credentials, and the hosts that they are to prove."""
    for server in gateway.spec.get("servers") or () if gateway.kind == "Gateway" else ():
        tls = server.get("tls") or {}
        if tls.get("credentialName") and tls.get("mode") in _PROVING:
            hosts = dict.fromkeys(host.rpartition("/")[2] for host in server["hosts"])
            yield tls["credentialName"], tuple(host for host in hosts if host != "*") or ("ingress",)


def _secret(name: str, namespace: str, hosts: tuple[str, ...], authority: Authority) -> Json:
    certificate, key = authority.certificate(*hosts)
    texts = {"tls.crt": certificate, "tls.key": key, "ca.crt": authority.pem}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": {each: base64.b64encode(text.encode()).decode() for each, text in texts.items()},
    }
