"""What an Envoy is started with: where its watched files are, and the listener that says whether it is ready."""

from __future__ import annotations

from typing import Any

from meshtest.meshes.access_log import READINESS
from meshtest.meshes.local.grounded_access_log import of_requests
from meshtest.meshes.local.site import Address, Site

Json = dict[str, Any]

_PATIENT: Json = {"miss_timeout": "300s", "megamiss_timeout": "600s"}


def bootstrap(site: Site, folder: str) -> Json:
    """The bootstrap configuration of one proxy, whose files are in `folder`."""
    instance = site.instance
    kind = "router" if instance.gateway else "sidecar"
    return {
        "node": {
            "id": f"{kind}~{instance.address}~{instance.name}.{instance.namespace}~{instance.namespace}.svc.cluster.local",
            "cluster": f"{instance.workload}.{instance.namespace}",
        },
        "admin": {"address": {"pipe": {"path": f"{folder}/admin"}}},
        "dynamic_resources": {
            "cds_config": _watched(f"{folder}/clusters.json"),
            "lds_config": _watched(f"{folder}/listeners.json"),
        },
        "static_resources": {"listeners": [_readiness(site.readiness)]},
        # Each instance calls from an address of its own, as pods do.
        "cluster_manager": {"upstream_bind_config": {"source_address": {"address": site.address, "port_value": 0}}},
        # Hundreds of statistics a cluster are made when they are first used: a new cluster costs a third of the time.
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        # What proxies do while nobody asks them anything adds up: nobody reads what they would flush, and no watchdog is wanted.
        "stats_flush_interval": "299s",
        "watchdogs": {"main_thread_watchdog": _PATIENT, "worker_watchdog": _PATIENT},
        # Istio's bootstrap raises the limit too: regular expressions of users are not Envoy's to judge.
        "layered_runtime": {
            "layers": [{"name": "static", "static_layer": {"re2.max_program_size.error_level": 32768}}]
        },
    }


def _watched(path: str) -> Json:
    return {"path_config_source": {"path": path}, "resource_api_version": "V3"}


def _readiness(address: Address) -> Json:
    """Answers /healthz/ready with 200 and an empty body once the proxy works, as Istio's agent does on port 15021; else 503.

    A question with a token is logged, behind all that the proxy has logged before.
    """
    filters = "type.googleapis.com/envoy.extensions.filters.http"
    check: Json = {
        "name": "envoy.filters.http.health_check",
        "typed_config": {
            "@type": f"{filters}.health_check.v3.HealthCheck",
            "pass_through_mode": False,
            "headers": [{"name": ":path", "string_match": {"exact": "/healthz/ready"}}],
        },
    }
    router: Json = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{filters}.router.v3.Router"}}
    manager: Json = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "agent",
        "route_config": {"name": "agent", "virtual_hosts": []},
        "access_log": [of_requests(READINESS)],
        "http_filters": [check, router],
    }
    return {
        "name": "readiness",
        "address": {"socket_address": {"address": address[0], "port_value": address[1]}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
