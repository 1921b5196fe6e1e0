"""The headers that Bookinfo's workloads hand on, so that traces and header matches reach the services behind them.

As in samples/bookinfo/src of istio/istio: LibertyRestEndpoint.java (headers_to_propagate) and productpage.py
(getForwardHeaders).
"""

from __future__ import annotations

from meshtest.bookinfo.message import Request

TRACE = frozenset(
    {
        "x-request-id",
        "x-ot-span-context",
        "x-datadog-trace-id",
        "x-datadog-parent-id",
        "x-datadog-sampling-priority",
        "traceparent",
        "tracestate",
        "x-cloud-trace-context",
        "grpc-trace-bin",
        "b3",
        "x-b3-traceid",
        "x-b3-spanid",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-flags",
        "sw8",
    }
)
CONTEXT = frozenset({"user-agent", "cookie", "authorization", "jwt"})


def forwarded(request: Request, names: frozenset[str]) -> list[tuple[str, str]]:
    """Those headers of a request that have these names (lower case)."""
    return [(name, value) for name, value in request.headers if name in names]
