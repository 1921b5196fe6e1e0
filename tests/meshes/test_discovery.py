"""Which clusters discover their endpoints, and what becomes of them; without processes."""

from __future__ import annotations

import json
from typing import Any

from meshtest.meshes.local.discovery import Discovery
from meshtest.meshes.local.envoy import Envoy
from meshtest.meshes.local.ground import ground
from meshtest.meshes.local.grounds import Grounds
from meshtest.resources.manifest import check, read_text
from meshtest.topology.default import default_topology
from meshtest.translate.proxy_config import ProxyConfig, translate
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.meshes.manifests import SUBSETS
from tests.meshes.places import Written, placed

WHOLE, V2 = (f"outbound|9080|{subset}|reviews.default.svc.cluster.local" for subset in ("", "v2"))


def bookinfo() -> tuple[Snapshot, dict[str, ProxyConfig]]:
    """Bookinfo with the subsets of reviews, and what its productpage and gateway are sent."""
    topology = default_topology([])
    given = Snapshot(topology, tuple(check(read_text(SUBSETS, "test.yaml"))))
    proxies = [topology.names[name][0] for name in ("istio-ingressgateway", "productpage-v1")]
    return given, {each.address: translate(given, Proxy(each)) for each in proxies}


def test_where_an_instance_has_moved() -> None:
    """The clusters that it stands in, of each proxy; from then on, until all is settled."""
    given, configs = bookinfo()
    discovery = Discovery(lambda wanted: wanted)
    discovery.look(configs)
    assert not discovery.moved
    discovery.move([given.topology.names["reviews-v2"][0].address])
    discovery.look(configs)
    found = {name for config in configs.values() for name in config.clusters}
    assert {(proxy, name) for proxy in configs for name in found if discovery.has(proxy, name)} == {
        (proxy, name) for proxy in configs for name in (WHOLE, V2)
    }
    without = {proxy: ProxyConfig(each.listeners, each.routes, each.clusters, {}) for proxy, each in configs.items()}
    discovery.look(without)
    assert all(discovery.has(proxy, V2) for proxy in configs)
    discovery.settle()
    assert not any(discovery.has(proxy, V2) for proxy in configs)


def test_there_are_not_more_than_may_be() -> None:
    """Whoever comes first has its clusters discovered; those of the rest are replaced when their endpoints change."""
    given, configs = bookinfo()
    room = [3, 0]
    discovery = Discovery(lambda wanted: min(wanted, room.pop(0)))
    discovery.move([given.topology.names["reviews-v2"][0].address])
    for _ in range(2):
        discovery.look(configs)
        gateway, page = configs
        assert [discovery.has(gateway, WHOLE), discovery.has(gateway, V2), discovery.has(page, WHOLE)] == [True] * 3
        assert not discovery.has(page, V2)


def test_a_discovered_cluster() -> None:
    """It is the same but for its endpoints, which are the same too, in the file that it names."""
    given, configs = bookinfo()
    page = given.topology.names["productpage-v1"][0]
    places = placed(given.topology)

    def grounded(*discovered: str) -> ProxyConfig:
        place = (places.by_address[page.address], places, lambda name: None, Written())
        files = {name: f"/somewhere/{name}" for name in discovered}
        return ground(Grounds(given, configs[page.address], *place, discovered=files.get))

    plain, found = grounded(), grounded(V2)
    assert plain.endpoints == {}
    assert found.endpoints.keys() == {V2}
    assert {name for name in plain.clusters if plain.clusters[name] != found.clusters[name]} == {V2}
    assignment = {key: each for key, each in found.endpoints[V2].items() if key != "@type"}
    assert assignment == plain.clusters[V2]["load_assignment"]
    assert found.clusters[V2]["type"] == "EDS"
    assert f"/somewhere/{V2}" in json.dumps(found.clusters[V2]["eds_cluster_config"])
    ignored = ("type", "load_assignment", "eds_cluster_config")
    assert kept(found.clusters[V2], ignored) == kept(plain.clusters[V2], ignored)


def kept(cluster: dict[str, Any], ignored: tuple[str, ...]) -> dict[str, Any]:
    """A cluster without some of its fields."""
    return {key: each for key, each in cluster.items() if key not in ignored}


def test_files_of_long_names_differ(tmp_path: Any) -> None:
    """Two hosts that begin alike have files of their own, whose names a file system takes."""
    envoy = Envoy("x", None, tmp_path / "p", tmp_path / "log", set())  # type: ignore[arg-type]
    files = {envoy.endpoints_file(f"outbound|80||{'a' * 230}.{end}") for end in ("one", "two")}
    assert len(files) == 2
    assert all(len(file.rpartition("/")[2]) <= 240 for file in files)
