"""Names of annotations and labels: what is nearly Istio's is told; what is Istio's, or somebody else's, is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshtest.analysis.annotation_names import KNOWN
from meshtest.analysis.reading import findings

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: details, %s: {%s: "1"}}
spec: {selector: {app: details}, ports: [{name: http, port: 9080}]}
"""


def codes(folder: Path, field: str, key: str) -> set[str]:
    (folder / "manifest.yaml").write_text(SERVICE % (field, key))
    return {each.code.name for each in findings([folder / "manifest.yaml"])}


@pytest.mark.parametrize("key", sorted(KNOWN))
def test_known(key: str, tmp_path: Path) -> None:
    assert "MT1014" not in codes(tmp_path, "labels", key)


@pytest.mark.parametrize(
    "key", ["example.com/inject", "istio.io/our-own-thing", "prometheus.io/scrape", "istio.io.x/y"]
)
def test_not_istios(key: str, tmp_path: Path) -> None:
    assert codes(tmp_path, "annotations", key) == set()


@pytest.mark.parametrize(
    "key",
    ["sidecar.istio.io/Inject", "traffic.sidecar.istio.io/excludeOutboundPort", "networking.istio.io/export-to"],
)
@pytest.mark.parametrize("field", ["annotations", "labels"])
def test_nearly_istios(field: str, key: str, tmp_path: Path) -> None:
    assert codes(tmp_path, field, key) == {"MT1014"}
