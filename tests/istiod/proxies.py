"""Four stock Envoys as istiod's proxies, and what they hold."""

from __future__ import annotations

import json
import socket
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from meshtest.meshes.config_dump import Dump
from tests.istiod.control_plane import ISTIOD_XDS
from tests.istiod.places import ENVOY
from tests.istiod.processes import Processes

# One proxy: its listeners, routes, clusters and endpoints by name.
Configuration = dict[str, dict[str, dict[str, Any]]]

# Clusters of the bootstrap: istiod, and the agent that hands out secrets (istiod refers to it by this name).
XDS, SDS = "xds-grpc", "sds-grpc"


@dataclass(frozen=True)
class Identity:
    """What a proxy tells istiod about itself (node id: pilot/pkg/model/context.go)."""

    kind: str
    address: str
    pod: str
    namespace: str
    labels: tuple[tuple[str, str], ...]

    @property
    def node(self) -> dict[str, Any]:
        metadata = {
            "NAME": self.pod,
            "NAMESPACE": self.namespace,
            "LABELS": dict(self.labels),
            "CLUSTER_ID": "Kubernetes",
            "MESH_ID": "cluster.local",
            "INTERCEPTION_MODE": "REDIRECT",
        }
        return {
            "id": f"{self.kind}~{self.address}~{self.pod}.{self.namespace}~{self.namespace}.svc.cluster.local",
            "cluster": f"{dict(self.labels)['app']}.{self.namespace}",
            "metadata": metadata,
        }


IDENTITIES = {
    "gateway": Identity(
        *("router", "10.1.2.1", "istio-ingressgateway-0", "istio-system"),
        (("app", "istio-ingressgateway"), ("istio", "ingressgateway")),
    ),
    "egress": Identity(
        *("router", "10.1.2.2", "istio-egressgateway-0", "istio-system"),
        (("app", "istio-egressgateway"), ("istio", "egressgateway")),
    ),
    "productpage": Identity(
        *("sidecar", "10.1.0.1", "productpage-v1-0", "default"), (("app", "productpage"), ("version", "v1"))
    ),
    "reviews": Identity(*("sidecar", "10.1.0.5", "reviews-v2-0", "default"), (("app", "reviews"), ("version", "v2"))),
}


class _Admin(HTTPConnection):
    """HTTP over Envoy's administration socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Proxy:
    """One Envoy that takes all its configuration from istiod."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._socket = folder / f"{name}.sock"

    def start(self, processes: Processes) -> None:
        bootstrap = self._folder / f"{self.name}.yaml"
        bootstrap.write_text(yaml.safe_dump(self._bootstrap(), sort_keys=False))
        options = ("--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "0", "--log-level", "error")
        processes.start(self.name, ENVOY, "-c", bootstrap, *options)

    def get(self, path: str) -> bytes:
        admin = _Admin(self._socket)
        try:
            admin.request("GET", path)
            return admin.getresponse().read()
        finally:
            admin.close()

    def has_cluster(self, name: str) -> bool:
        """Whether this cluster has come from istiod."""
        try:
            return name.encode() in self.get(f"/config_dump?resource=dynamic_active_clusters&name_regex={name}")
        except OSError:
            return False

    def refusals(self) -> Counter[str]:
        """How often Envoy refused what istiod sent, by statistic."""
        found = (line.split(": ") for line in self.get("/stats?usedonly&filter=update_rejected").decode().splitlines())
        return Counter({name: int(count) for name, count in found})

    def dump(self) -> Dump:
        return Dump(json.loads(self.get("/config_dump?include_eds")))

    def _bootstrap(self) -> dict[str, Any]:
        ads = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
        api = {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [{"envoy_grpc": {"cluster_name": XDS}}],
        }
        istiod = {"socket_address": {"address": ISTIOD_XDS[0], "port_value": ISTIOD_XDS[1]}}
        # Nobody listens there: secrets that an agent would hand out never come, as in the recordings.
        nobody = {"pipe": {"path": str(self._folder / "secrets.sock")}}
        return {
            "node": IDENTITIES[self.name].node,
            "admin": {"address": {"pipe": {"path": str(self._socket)}}},
            "dynamic_resources": {"ads_config": api, "cds_config": ads, "lds_config": ads},
            "static_resources": {"clusters": [_grpc_cluster(XDS, istiod), _grpc_cluster(SDS, nobody)]},
        }


def _grpc_cluster(name: str, address: dict[str, Any]) -> dict[str, Any]:
    http2 = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                **http2,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
