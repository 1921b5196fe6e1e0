"""Virtual hosts and the RouteConfigurations they make up."""

from __future__ import annotations

from typing import Any

from meshtest.translate.cluster_name import BLACK_HOLE

Json = dict[str, Any]


def route_configuration(name: str, virtual_hosts: list[Json]) -> Json:
    """A RouteConfiguration with istiod's settings; virtual hosts sorted by name."""
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "virtual_hosts": sorted(virtual_hosts, key=lambda host: str(host["name"])),
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": 1048576,
        "ignore_port_in_host_matching": True,
    }


def virtual_host(name: str, domains: list[str], routes: list[Json], **fields: Any) -> Json:
    """A VirtualHost."""
    return {"name": name, "domains": domains, "routes": routes, "include_request_attempt_count": True, **fields}


def catch_all(cluster: str) -> Json:
    """The virtual host for hosts that the proxy does not know: sent to `cluster`, or 502 where only known ones are allowed."""
    if cluster == BLACK_HOLE:
        route: Json = {"name": "block_all", "match": {"prefix": "/"}, "direct_response": {"status": 502}}
    else:
        action = {"cluster": cluster, "timeout": "0s", "max_grpc_timeout": "0s"}
        route = {"name": "allow_any", "match": {"prefix": "/"}, "route": action}
    return virtual_host(route["name"], ["*"], [route])
