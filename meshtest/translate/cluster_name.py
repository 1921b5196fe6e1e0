"""Names of clusters (`BuildSubsetKey` in `pilot/pkg/model/service.go`)."""

from __future__ import annotations

BLACK_HOLE, PASSTHROUGH, INBOUND_PASSTHROUGH = "BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster"


def outbound_name(port: int, subset: str, host: str) -> str:
    """`outbound|9080|v1|reviews.default.svc.cluster.local`."""
    return f"outbound|{port}|{subset}|{host}"


def server_name(port: int, subset: str, host: str) -> str:
    """`outbound_.9080_.v1_.reviews.default.svc.cluster.local`: the same as a TLS server name (SNI), between meshes and networks."""
    return f"outbound_.{port}_.{subset}_.{host}"


def inbound_name(port: int) -> str:
    """`inbound|9080||`, by the port that the workload listens on."""
    return f"inbound|{port}||"
