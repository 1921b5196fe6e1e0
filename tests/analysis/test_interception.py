"""Pods without interception; what the API server would refuse, or nobody checks, is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshtest.analysis.reading import findings

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cache}
spec:
  selector: {matchLabels: {app: cache}}
  template: {metadata: {labels: {app: cache}}, spec: %s}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: cache}
spec: {selector: {matchLabels: {app: cache}}, action: DENY, rules: [{}]}
"""
CONTAINER = "containers: [{name: cache, image: example/cache%s}]"


@pytest.mark.parametrize(
    ("spec", "codes"),
    [
        (f"{{{CONTAINER % ''}}}", set()),
        (f"{{hostNetwork: true, {CONTAINER % ''}}}", {"MT0824"}),
        (f"{{{CONTAINER % ', securityContext: {runAsUser: 1337}'}}}", {"MT0705"}),
        (f"{{securityContext: odd, {CONTAINER % ''}}}", set()),
        ("{containers: {a: b}}", {"MT0002", "MT0801"}),
        ("odd", {"MT0002", "MT0801"}),
    ],
)
def test_pods(spec: str, codes: set[str], tmp_path: Path) -> None:
    (tmp_path / "cache.yaml").write_text(DEPLOYMENT % spec)
    assert {each.code.name for each in findings([tmp_path / "cache.yaml"])} == codes
