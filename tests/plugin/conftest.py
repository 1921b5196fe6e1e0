"""Whole pytest runs with the plugin, in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.meshes.manifests import GATEWAY, SUBSETS, rules

SPLIT_80_20 = """[{route: [
    {destination: {host: reviews, subset: v1}, weight: 80},
    {destination: {host: reviews, subset: v2}, weight: 20}]}]"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A user's folder with a manifest, `canary.yaml`: 80 % of all requests to reviews v1, 20 % to v2."""
    Path(pytester.path, "canary.yaml").write_text(GATEWAY + rules(SPLIT_80_20) + SUBSETS)
    return pytester
