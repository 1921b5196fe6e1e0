"""Istio's own Bookinfo manifests are understood."""

from __future__ import annotations

import pytest

from meshtest.resources.manifest import check, read_text
from meshtest.topology.default import default_topology
from meshtest.translate.proxy_config import translate
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.resources.bookinfo_networking import FILES, text


def test_all_files() -> None:
    """There are 21 of them."""
    assert len(FILES) == 21


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
@pytest.mark.parametrize("name", sorted(FILES))
def test_accepted_and_translated(name: str, version: str) -> None:
    """Each file is accepted, in each version of the API, and makes a configuration for each proxy."""
    topology = default_topology([])
    snapshot = Snapshot(topology, check(read_text(text(name, version), f"{name}.yaml")))
    for instances in topology.names.values():
        assert translate(snapshot, Proxy(instances[0])).clusters
