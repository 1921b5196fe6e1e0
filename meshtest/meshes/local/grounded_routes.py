"""Route configurations in which requests to a Service that the proxy does not know, and lets through, arrive at it. Pure."""

from __future__ import annotations

from typing import Any

from meshtest.meshes.local.grounds import Grounds
from meshtest.meshes.local.passthrough import Unknown, taken_by
from meshtest.translate.virtual_host import catch_all

Json = dict[str, Any]


def routes(grounds: Grounds) -> dict[str, Json]:
    """All of them, by name."""
    out = dict(grounds.config.routes)
    for each in grounds.unknown:
        if taken_by(grounds.config, each) is None:
            name = str(each.port.number)
            out[name] = _with(out[name], each)
    return out


def _with(given: Json, called: Unknown) -> Json:
    """The catch-all once more, for the names of one Service and to where it is."""
    taken = {domain.lower() for host in given["virtual_hosts"] for domain in host["domains"]}
    domains = [each for each in called.domains if each.lower() not in taken]
    if not domains:
        return given
    host = {**catch_all(called.cluster), "name": f"allow_any {called.service.hostname}", "domains": domains}
    return {**given, "virtual_hosts": [*given["virtual_hosts"], host]}
