"""Versions, and whether they go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.meshes.kubernetes.check.versions import istio, kubernetes, version
from tests.check.documents import told


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.24.1-0123abc-Clean", (1, 24)),
        ("v1.30.2+k3s1", (1, 30)),
        ("1.27+", (1, 27)),
        ("unknown-unknown-unknown", None),
        ("", None),
        ("master", None),
    ],
)
def test_versions_as_they_are_written(text, found):
    """By Istio, Kubernetes and their vendors."""
    assert version(text) == found


def test_kubernetes():
    """New enough, too old, and one that does not tell."""
    assert told(kubernetes({"major": "1", "minor": "29+"})) == [("ok", "kubernetes version", "1.29")]
    assert told(kubernetes({"major": "1", "minor": "21"}))[0][0] == "error"
    assert told(kubernetes({"gitVersion": "weird"})) == [("unknown", "kubernetes version", "is not told: weird")]


@given(st.integers(10, 40), st.integers(10, 40))
def test_skew(plane, proxy):
    """Istiod may be one minor version ahead, and never behind."""
    ((severity, _, message),) = told(istio({"istiod": f"1.{plane}.1-x-Clean"}, {"a.shop": f"1.{proxy}.0"}))
    assert (severity == "ok") == (proxy <= plane <= proxy + 1)
    if proxy > plane:
        assert f"ahead of istiod (1.{plane})" in message
    if plane > proxy + 1:
        assert f"behind istiod (1.{plane})" in message


def test_several_istiods():
    """Said; proxies go with one of them."""
    found = told(istio({"a": "1.24.0", "b": "1.26.0"}, {"p.shop": "1.23.1", "q.shop": "1.26.0", "r.shop": "1.22.0"}))
    assert [each[0] for each in found] == ["warning", "warning"]
    assert found[0][2] == "istiods of several versions run: 1.24, 1.26"
    assert found[1][2].startswith("1 proxies of version 1.22 are ")


def test_builds_without_a_version():
    """Of istiod and of proxies: unknown, never fine."""
    assert [each[0] for each in told(istio({"a": "unknown-unknown-unknown"}, {"p.shop": "unknown"}))] == ["unknown"]
    assert [each[0] for each in told(istio({"a": "1.24.0"}, {"p.shop": "unknown"}))] == ["unknown"]
