"""The HTTP connection manager that each HTTP listener has (`listener_builder.go`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtest.translate.access_log import ACCESS_LOG

Json = dict[str, Any]

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ADS: Json = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def _filter(name: str, message: str, **fields: Any) -> Json:
    kind = f"type.googleapis.com/envoy.extensions.filters.http.{message}"
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": kind, **fields}}


GRPC_WEB = _filter("grpc_web", "grpc_web.v3.GrpcWeb")  # before all but the policies, where a port says so
HTTP_FILTERS: list[Json] = [
    _filter("grpc_stats", "grpc_stats.v3.FilterConfig", emit_filter_state=True, stats_for_all_methods=False),
    _filter("fault", "fault.v3.HTTPFault"),
    _filter("cors", "cors.v3.Cors"),
    _filter("router", "router.v3.Router"),
]

_COMMON: Json = {
    "@type": f"type.googleapis.com/{MANAGER}",
    "http_filters": HTTP_FILTERS,
    "access_log": ACCESS_LOG,
    "normalize_path": True,
    "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    "stream_idle_timeout": "0s",
    "upgrade_configs": [{"upgrade_type": "websocket"}],
    "request_id_extension": {
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
            "use_request_id_for_trace_sampling": True,
        }
    },
}


def gateway_manager(stat_prefix: str, route_name: str, policies: Sequence[Json] = ()) -> Json:
    """Of a gateway's HTTP server: the client's address counts, its certificate headers do not. `policies` are filters too."""
    return _named(
        {
            **_COMMON,
            "http_filters": [*policies, *HTTP_FILTERS],
            "stat_prefix": stat_prefix,
            "rds": {"config_source": ADS, "route_config_name": route_name},
            "server_name": "istio-envoy",
            "use_remote_address": True,
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"subject": True, "cert": True, "dns": True, "uri": True},
            "http_protocol_options": {},
        }
    )


def outbound_manager(stat_prefix: str, route_name: str) -> Json:
    """Of a sidecar towards others."""
    routes = {"rds": {"config_source": ADS, "route_config_name": route_name}}
    return _named(
        {**_COMMON, "stat_prefix": stat_prefix, **routes, "proxy_100_continue": True, "use_remote_address": False}
    )


def inbound_manager(stat_prefix: str, route_config: Json, policies: Sequence[Json] = (), http2: bool = False) -> Json:
    """Of a sidecar towards its own workload; `policies` are filters that stand before all others."""
    return _named(
        {
            **_COMMON,
            "http_filters": [*policies, *HTTP_FILTERS],
            "stat_prefix": stat_prefix,
            "route_config": route_config,
            "server_name": "istio-envoy",
            "proxy_100_continue": True,
            "use_remote_address": False,
            "forward_client_cert_details": "APPEND_FORWARD",
            "set_current_client_cert_details": {"subject": True, "dns": True, "uri": True},
            **({"http2_protocol_options": {}} if http2 else {}),
        }
    )


def _named(config: Json) -> Json:
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}
