"""Rules of the mesh that a Gateway passes over: told where they choose among versions, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshtest.analysis.finding import INFO
from meshtest.analysis.reading import findings
from tests.resources.bookinfo_networking import text

FRONT = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front}
spec:
  hosts: [front.example.com]
  gateways: [bookinfo-gateway]
  http:
  - route: [{destination: {host: %s, port: {number: 9080}%s}}]
"""


def codes(folder: Path, *samples: str, front: str = "") -> set[str]:
    (folder / "manifest.yaml").write_text("\n---\n".join([*map(text, samples), front]))
    return {each.code.name for each in findings([folder / "manifest.yaml"]) if each.severity != INFO}


GATEWAY, SUBSETS = "bookinfo-gateway", "destination-rule-all"


def test_bookinfo_as_its_guide_applies_it(tmp_path: Path) -> None:
    """All of productpage is its v1, so that nothing is passed over."""
    assert codes(tmp_path, GATEWAY, SUBSETS, "virtual-service-all-v1") == set()


@pytest.mark.parametrize("sample", ["reviews-80-20", "reviews-v3", "reviews-jason-v2-v3"])
def test_versions_are_chosen_in_the_mesh_only(tmp_path: Path, sample: str) -> None:
    found = codes(tmp_path, GATEWAY, SUBSETS, f"virtual-service-{sample}", front=FRONT % ("reviews", ""))
    assert found == {"MT0129"}


@pytest.mark.parametrize(("host", "subset"), [("reviews", ", subset: v1"), ("details", "")])
def test_the_gateway_chooses_itself_or_goes_elsewhere(tmp_path: Path, host: str, subset: str) -> None:
    assert codes(tmp_path, GATEWAY, SUBSETS, "virtual-service-reviews-80-20", front=FRONT % (host, subset)) == set()
