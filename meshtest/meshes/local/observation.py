"""What running proxies of the local mesh are asked: statistics, and the state of hosts."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from meshtest.errors import MeshError
from meshtest.meshes import statistics
from meshtest.meshes.local.change import settle
from meshtest.meshes.local.envoy import Envoy
from meshtest.meshes.local.site import Sites
from meshtest.meshes.passage import Owner


def stats(envoys: Sequence[Envoy], pattern: str) -> dict[str, int]:
    """Counters and gauges, summed over proxies; what was answered before is counted."""
    settle(envoys)
    query = f"format=json&filter={quote(statistics.expression(pattern), safe='')}"
    found: Counter[str] = Counter()
    for envoy in envoys:
        found.update(statistics.numbers(envoy.admin(f"/stats?{query}")))
    return dict(found)


def hosts(envoys: Sequence[Envoy], host: str, subset: str | None, sites: Sites) -> list[statistics.Host]:
    """How each of the proxies sees the hosts behind a Service."""
    settle(envoys)
    names = {address: owner.name for address, owner in owners(sites).items()}
    return [
        each
        for envoy in envoys
        for each in statistics.hosts(envoy.admin("/clusters?format=json"), envoy.name, host, subset, names)
    ]


def testimony(envoys: Sequence[Envoy]) -> dict[str, str]:
    """What each proxy holds, has counted and complained of, as texts by the names of files; of one that has ended its complaints."""
    out = {}
    for envoy in envoys:
        out[f"{envoy.name}.log"] = envoy.log.read_text(encoding="utf-8", errors="replace")
        with contextlib.suppress(MeshError):
            out[f"{envoy.name}.config.json"] = envoy.admin("/config_dump?include_eds")
            out[f"{envoy.name}.stats.txt"] = envoy.admin("/stats?usedonly")
    return out


def owners(sites: Sites) -> dict[str, Owner]:
    """Whose each address (`ip:port`) is; proxies listen at all that are not of workloads."""
    out = {f"{place[0]}:{place[1]}": Owner("outside") for place in [sites.outside]}
    for name, host in sites.hosts.items():
        out |= {f"{host.address}:{port}": Owner(name) for port in host.chosen.values()}
    for site in sites.by_address.values():
        name, proxy = site.instance.name, site.instance.full_name
        for purpose, port in site.place.chosen.items():
            listens = not purpose.startswith("workload ")
            out[f"{site.address}:{port}"] = Owner(name, proxy if listens else "")
    return out
