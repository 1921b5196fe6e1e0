"""What exists when nothing else is said: Bookinfo, and an ingress gateway."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from meshtest.resources.manifest import read_files, read_text
from meshtest.resources.resource import Resource
from meshtest.topology.topology import Topology, topology


def default_topology(paths: Sequence[Path | str], more: Iterable[Resource] = (), gateways: bool = True) -> Topology:
    """The topology in these manifests (Bookinfo's where none are given) and in `more`.

    Where no instance would be a gateway but for traffic that leaves, and `gateways` holds, Istio's own ingress gateway is added.
    """
    found = [*(read_files(paths) if paths else bookinfo()), *more]
    first = topology(found)
    if gateways and not any(each.gateway and each.labels.get("istio") != "egressgateway" for each in first.instances):
        return topology([*found, *ingress_gateway()])
    return first


def bookinfo() -> list[Resource]:
    """Bookinfo's Services and Deployments."""
    return _packaged("meshtest.bookinfo", "bookinfo.yaml", "default")


def ingress_gateway() -> list[Resource]:
    """Istio's ingress gateway: its Service and its Deployment."""
    return _packaged("meshtest.topology", "ingressgateway.yaml", "istio-system")


def _packaged(package: str, name: str, namespace: str) -> list[Resource]:
    return read_text(files(package).joinpath(name).read_bytes(), f"{package.replace('.', '/')}/{name}", namespace)
