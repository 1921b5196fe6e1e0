"""Limits of connections and requests (`ConnectionPoolSettings`), of a DestinationRule or a Sidecar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import COUNT, DURATION, DURATION_OR_ZERO, FLAG, UINT32, Enum, Message, Report


def not_empty(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    """A block says something."""
    if not spec:
        report(path, "must have at least one field; take it away if nothing is meant")


def _one_protocol(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("h2UpgradePolicy") == "UPGRADE" and spec.get("useClientProtocol"):
        report((*path, "useClientProtocol"), "cannot be true where h2UpgradePolicy is UPGRADE: keep one")


CONNECTION_POOL = Message(
    {
        "tcp": Message(
            {
                "maxConnections": COUNT,
                "connectTimeout": DURATION,
                "tcpKeepalive": Message({"probes": UINT32, "time": DURATION, "interval": DURATION}),
                "maxConnectionDuration": DURATION,
                "idleTimeout": DURATION_OR_ZERO,
            }
        ),
        "http": Message(
            {
                "http1MaxPendingRequests": COUNT,
                "http2MaxRequests": COUNT,
                "maxRequestsPerConnection": COUNT,
                "maxRetries": COUNT,
                "idleTimeout": DURATION,
                "h2UpgradePolicy": Enum(("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE")),
                "useClientProtocol": FLAG,
                "maxConcurrentStreams": COUNT,
                "http2KeepAlive": Message(
                    {"interval": DURATION, "timeout": DURATION}, required=("interval", "timeout")
                ),
            },
            rules=(_one_protocol,),
        ),
    },
    rules=(not_empty,),
)
