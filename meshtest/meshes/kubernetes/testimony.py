"""What a cluster says of a failure: its pods, events, and what the proxies hold and have counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.admin import Admin
from meshtest.meshes.kubernetes.api import Api

Json = dict[str, Any]


def testimony(api: Api, namespaces: Collection[str], admins: Mapping[str, Admin]) -> dict[str, str]:
    """Texts, by the names of files; of what cannot be had the reason."""
    out = {}
    for namespace in sorted(namespaces):
        out[f"pods-{namespace}.txt"] = _or_reason(partial(_pods, api, namespace))
        out[f"events-{namespace}.txt"] = _or_reason(partial(_events, api, namespace))
    for name, admin in sorted(admins.items()):
        out[f"{name}.config.json"] = _or_reason(partial(admin.get, "/config_dump?include_eds"))
        out[f"{name}.stats.txt"] = _or_reason(partial(admin.get, "/stats?usedonly"))
    return out


def _or_reason(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except MeshError as error:
        return f"not to be had: {error}"


def _pods(api: Api, namespace: str) -> str:
    found = api.list(f"/api/v1/namespaces/{namespace}/pods")
    return "\n".join(line for pod in found for line in _pod(pod)) + "\n"


def _pod(pod: Json) -> Iterator[str]:
    """What `kubectl get pods` and `describe` show of it."""
    status = pod.get("status", {})
    leaving = ", leaving" if "deletionTimestamp" in pod["metadata"] else ""
    yield f"{pod['metadata']['name']}  {status.get('phase', 'Unknown')}{leaving}  {status.get('podIP', 'no address')}"
    for each in status.get("containerStatuses", ()):
        states: Json = each.get("state") or {"unknown": {}}
        state, told = next(iter(states.items()))
        why = ": ".join(str(told[key]) for key in ("reason", "message") if told.get(key))
        ready = "ready" if each.get("ready") else "not ready"
        yield f"  {each['name']}  {state} {why}".rstrip() + f"  {ready}, {each.get('restartCount', 0)} restarts"


def _events(api: Api, namespace: str) -> str:
    found = api.list(f"/api/v1/namespaces/{namespace}/events")
    lines = sorted(
        f"{each.get('lastTimestamp') or each.get('eventTime') or '-'}  {each.get('type')}  {each.get('reason')}  "
        f"{each['involvedObject'].get('kind')}/{each['involvedObject'].get('name')}: {each.get('message', '').strip()}"
        for each in found
    )
    return "\n".join(lines) + "\n"
