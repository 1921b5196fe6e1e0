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

from tests.istiod.control_plane import ISTIOD_XDS
from tests.istiod.places import ENVOY
from tests.istiod.processes import Processes

# One proxy: its listeners, routes, clusters and endpoints by name.
Configuration = dict[str, dict[str, dict[str, Any]]]

# Clusters of the bootstrap: istiod, and the agent that hands out secrets (istiod refers to it by this name).
XDS, SDS = BOOTSTRAP = ("xds-grpc", "sds-grpc")


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


class Dump:
    """What an Envoy's /config_dump?include_eds says of dynamic resources."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._parts = {part["@type"].rsplit(".", 1)[-1]: part for part in content["configs"]}

    def _list(self, part: str, *names: str) -> list[dict[str, Any]]:
        return [each for name in names for each in self._parts.get(part, {}).get(name, [])]

    def configuration(self) -> Configuration:
        """What istiod sent last, also where a secret is still awaited, and listeners that Envoy refused."""
        listeners = {}
        for each in self._list("ListenersConfigDump", "dynamic_listeners"):
            listener = each.get("error_state", {}).get("failed_configuration") or _taken(each)
            if listener:
                listeners[listener["name"]] = listener
        clusters = self._list("ClustersConfigDump", "dynamic_active_clusters", "dynamic_warming_clusters")
        routes = self._list("RoutesConfigDump", "dynamic_route_configs")
        endpoints = self._list("EndpointsConfigDump", "static_endpoint_configs", "dynamic_endpoint_configs")
        return {
            "listeners": listeners,
            "routes": {each["route_config"]["name"]: _ordered(each["route_config"]) for each in routes},
            "clusters": {each["cluster"]["name"]: each["cluster"] for each in clusters},
            "endpoints": {
                each["endpoint_config"]["cluster_name"]: _in_order(each["endpoint_config"])
                for each in endpoints
                if each["endpoint_config"]["cluster_name"] not in BOOTSTRAP
            },
        }

    def rejected(self) -> set[str]:
        """What Envoy says against listeners that it refused."""
        found = self._list("ListenersConfigDump", "dynamic_listeners")
        return {str(each["error_state"].get("details")) for each in found if "error_state" in each}

    def incomplete(self) -> list[str]:
        """Names of routes and clusters that are still on their way."""
        have = self.configuration()["routes"]
        taken = [_taken(each) for each in self._list("ListenersConfigDump", "dynamic_listeners")]
        waiting = [
            each["cluster"]["name"]
            for each in self._list("ClustersConfigDump", "dynamic_warming_clusters")
            if "sds_config" not in json.dumps(each)
        ]
        return sorted(waiting + [name for name in _route_names(taken) if name not in have])


def _taken(listener: dict[str, Any]) -> dict[str, Any] | None:
    """The newest configuration of a listener that Envoy has not refused."""
    state: dict[str, Any] = listener.get("warming_state") or listener.get("active_state") or {}
    return state.get("listener")


def _ordered(routes: dict[str, Any]) -> dict[str, Any]:
    """Virtual hosts by name: Envoy looks them up by domain, and istiod walks over a map of Go."""
    return {**routes, "virtual_hosts": sorted(routes.get("virtual_hosts", []), key=lambda host: str(host["name"]))}


def _in_order(assignment: dict[str, Any]) -> dict[str, Any]:
    """Localities by name, and endpoints of each by address: istiod walks over maps of Go."""
    if "endpoints" not in assignment:
        return assignment
    groups = [
        {**group, "lb_endpoints": sorted(group.get("lb_endpoints", []), key=_text)} for group in assignment["endpoints"]
    ]
    return {**assignment, "endpoints": sorted(groups, key=lambda group: _text(group.get("locality")))}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _route_names(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["rds"]["route_config_name"]} if isinstance(value.get("rds"), dict) else set()
        return own.union(*(_route_names(each) for each in value.values()))
    if isinstance(value, list):
        return set[str]().union(*(_route_names(each) for each in value))
    return set()
