"""An EnvoyFilter that makes proxies log, beside Istio's lines, meshtest's own: with attempts and points in time. Pure."""

from __future__ import annotations

import json
from typing import Any

from meshtest.meshes.access_log import GATEWAY, INBOUND, JSON_FORMAT, OUTBOUND
from meshtest.traffic.token import PREFIX

Json = dict[str, Any]

NAME = "meshtest-access-log"
_CONTEXTS = {"GATEWAY": GATEWAY, "SIDECAR_OUTBOUND": OUTBOUND, "SIDECAR_INBOUND": INBOUND}
_MANAGER, _TCP = "envoy.filters.network.http_connection_manager", "envoy.filters.network.tcp_proxy"
_TYPES = {
    _MANAGER: "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    _TCP: "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
}
_MARK = "upstream_first_byte"  # a field of no other log
_FILE = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"


def access_log_filter(namespace: str, gateway: str = "") -> Json:
    """The EnvoyFilter for all proxies of a namespace, or for those with the label `istio: GATEWAY` only, as in the mesh's root
    namespace, where one for all is for all of the mesh. Lists are appended to when such a patch is merged."""
    patches = [_patch(context, kind, name) for context, kind in _CONTEXTS.items() for name in _TYPES]
    selector = {"workloadSelector": {"labels": {"istio": gateway}}} if gateway else {}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": f"{NAME}-{gateway}" if gateway else NAME, "namespace": namespace},
        "spec": {**selector, "configPatches": patches},
    }


def _patch(context: str, kind: str, name: str) -> Json:
    log: Json = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": _FILE,
            "path": "/dev/stdout",
            "log_format": {"json_format": {"kind": kind, **JSON_FORMAT}},
        },
    }
    if name == _MANAGER:  # other requests are nobody's concern here
        header = {"name": "user-agent", "string_match": {"prefix": PREFIX}}
        log["filter"] = {"header_filter": {"header": header}}
    return {
        "applyTo": "NETWORK_FILTER",
        "match": {"context": context, "listener": {"filterChain": {"filter": {"name": name}}}},
        "patch": {
            "operation": "MERGE",
            "value": {"name": name, "typed_config": {"@type": _TYPES[name], "access_log": [log]}},
        },
    }


def logged_in_detail(listeners: str) -> bool:
    """Whether a proxy logs so all that takes requests, by its `/config_dump?resource=dynamic_listeners`.

    Listeners that drain take none, and keep what they had: one of a moment ago may still have had the filter of another run.
    """
    taking = (
        json.dumps(each.get("warming_state") or each.get("active_state"))
        for each in json.loads(listeners).get("configs", ())
    )
    return all(_MARK in each for each in taking if "HttpConnectionManager" in each)
