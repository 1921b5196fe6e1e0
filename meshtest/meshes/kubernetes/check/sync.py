"""Proxies: is each connected to istiod, and does it have what istiod sent? What `istioctl proxy-status` shows.

Of each type of resource istiod keeps the nonce that it sent last and the one that the proxy acknowledged last (`/debug/syncz`); the words
are those of `debugSyncStatus` in its pilot/pkg/xds/statusgen.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from meshtest.meshes.kubernetes.check.finding import ERROR, OK, WARNING, Finding
from meshtest.meshes.kubernetes.check.seen import Json

SYNCED, STALE, NOT_SENT, REJECTED = "SYNCED", "STALE", "NOT SENT", "ERROR"
_SHORT = {
    "Cluster": "CDS",
    "Listener": "LDS",
    "RouteConfiguration": "RDS",
    "ClusterLoadAssignment": "EDS",
    "TypedExtensionConfig": "ECDS",
    "Secret": "SDS",
}
_OLD = (("CDS", "cluster"), ("LDS", "listener"), ("RDS", "route"), ("EDS", "endpoint"), ("ECDS", "extensionconfig"))


def states(proxy: Json) -> dict[str, str]:
    """The state of each type that a proxy has asked for, by its short name (`CDS`, ...), of an entry of `/debug/syncz`."""
    resources = proxy.get("resources")
    if resources is None:  # an older istiod
        nonces = {short: (proxy.get(f"{name}_sent", ""), proxy.get(f"{name}_acked", "")) for short, name in _OLD}
        return {short: _state(sent, acked) for short, (sent, acked) in nonces.items() if sent or acked}
    return {
        _short(url): _state(each.get("sent", ""), each.get("acked", ""), each.get("lastError", ""))
        for url, each in resources.items()
    }


def _state(sent: str, acked: str, error: str = "") -> str:
    if error:
        return REJECTED
    if not sent:
        return NOT_SENT
    return SYNCED if sent == acked else STALE


def _short(url: str) -> str:
    name = url.rpartition(".")[2]
    return _SHORT.get(name, name)


def settled(proxies: Sequence[Json]) -> bool:
    """Whether nothing is under way: STALE is what a proxy also is in the moment between a push and its acknowledgement."""
    return not any(STALE in states(each).values() for each in proxies)


def synced(where: str, wanted: Sequence[str], proxies: Sequence[Json]) -> Iterator[Finding]:
    """Judge proxies by their names (`pod.namespace`) and what all istiods together list; fine ones are one finding together."""
    listed = {each["proxy"]: each for each in proxies}
    fine = 0
    for proxy in wanted:
        found = _proxy(proxy, listed.get(proxy))
        fine += found is None
        if found is not None:
            yield found
    if fine:
        yield Finding(OK, f"{where} proxies", f"{fine} of {len(wanted)} connected to istiod and SYNCED")


def _proxy(proxy: str, listed: Json | None) -> Finding | None:
    name, _, namespace = proxy.partition(".")
    subject = f"{namespace} pod/{name} proxy"
    if listed is None:
        remedy = f"kubectl -n {namespace} logs {name} -c istio-proxy says why; `istioctl proxy-status` shows who is connected"
        return Finding(ERROR, subject, "is not connected to istiod: no rule reaches it", remedy)
    found = states(listed)
    wrong = {kind: state for kind, state in found.items() if state in (STALE, REJECTED)}
    if not wrong:
        return None
    errors = [each["lastError"] for each in (listed.get("resources") or {}).values() if each.get("lastError")]
    said = ", ".join(f"{kind} {state}" for kind, state in sorted(wrong.items()))
    remedy = f"`istioctl proxy-status {proxy}` shows the difference; kubectl -n {namespace} logs {name} -c istio-proxy"
    if REJECTED in wrong.values():
        return Finding(ERROR, subject, f"rejects what istiod sends ({said}): {'; '.join(errors)}", remedy)
    return Finding(WARNING, subject, f"has not acknowledged what istiod sent last ({said})", remedy)


def rejected(proxies: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    """What proxies have rejected since they were started, by their own statistics, where istiod may not be asked."""
    for proxy, statistics in proxies.items():
        name, _, namespace = proxy.partition(".")
        count = sum(value for key, value in statistics.items() if key.endswith(".update_rejected"))
        if count:
            message = f"has rejected {count} updates of istiod since it was started"
            remedy = f"kubectl -n {namespace} logs {name} -c istio-proxy says why"
            yield Finding(WARNING, f"{namespace} pod/{name} proxy", message, remedy)
