"""Istio's own Bookinfo manifests are understood."""

from __future__ import annotations

import pytest

from meshtest.resources.manifest import check, read_text
from meshtest.resources.problem import WrongResources
from meshtest.topology.default import default_topology
from meshtest.translate.proxy_config import translate
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.resources.bookinfo_networking import FILES, text

REFUSED = {
    "destination-rule-all-mtls": [
        f"DestinationRule default/{host} spec.trafficPolicy.tls"
        for host in ("productpage", "reviews", "ratings", "details")
    ],
    "egress-rule-google-apis": [
        "ServiceEntry default/googleapis kind",
        "DestinationRule default/originate-tls-for-www-googleapis-com spec.trafficPolicy.portLevelSettings[0].tls",
    ],
}


def test_all_files() -> None:
    """There are 21 of them."""
    assert len(FILES) == 21


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
@pytest.mark.parametrize("name", sorted(FILES.keys() - REFUSED.keys()))
def test_accepted_and_translated(name: str, version: str) -> None:
    """Each file of implemented kinds is accepted, in each version of the API, and makes a configuration for each proxy."""
    topology = default_topology([])
    snapshot = Snapshot(topology, check(read_text(text(name, version), f"{name}.yaml")))
    for instances in topology.names.values():
        assert translate(snapshot, Proxy(instances[0])).clusters


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_by_name(name: str) -> None:
    """What is not implemented is refused by name with file and line, and nothing else."""
    with pytest.raises(WrongResources) as caught:
        check(read_text(text(name), f"{name}.yaml"))
    assert caught.value.unsupported
    refusals = [problem.refusal for problem in caught.value.problems]
    assert [line.removeprefix("REFUSED ").rpartition(" ")[0] for line in refusals] == REFUSED[name]
    assert all(line.rpartition(" ")[2].startswith(f"{name}.yaml:") for line in refusals)
