"""Attribution: which version answered."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.traffic.attribution import by_body, by_header, by_json, by_podname, version_of_pod

# No timing assertions: a busy machine is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # the alphabet of Kubernetes' random names


@pytest.mark.parametrize(
    ("podname", "version"),
    [
        ("reviews-v2-545db77b95-x7k2p", "v2"),
        ("reviews-v2-545db77b95-xyz", "v2"),
        ("reviews-v10-7c9d8b6f5-b2c4d", "v10"),
        ("ratings-v-faulty-6b5c7d8f9-x7k2p", "v-faulty"),
        ("ratings-v2-mysql-6b5c7d8f9-x7k2p", "v2-mysql"),
        ("my-v-app-v1.2-6b5c7d8f9-x7k2p", "v-app-v1.2"),
        ("reviews-v1-0", "v1"),
        ("reviews-v1", "v1"),
        ("v3", "v3"),
        ("reviews-6b5c7d8f9-v2x4k", None),
        ("reviews-v4c8d9b77-x7k2p", None),
        ("reviews", None),
        ("envoy-6b5c7d8f9-x7k2p", None),
        ("null", None),
        ("", None),
    ],
)
def test_version_of_pod(podname: str, version: str | None) -> None:
    """The version is read from the Deployment's part of the name, never from its random parts."""
    assert version_of_pod(podname) == version


@PATIENT
@given(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True).filter(lambda app: not app.startswith("v")),
    st.integers(0, 999).map("v{}".format),
    st.text(_SAFE, min_size=8, max_size=10),
    st.text(_SAFE, min_size=5, max_size=5),
)
def test_every_pod_of_a_deployment_has_its_version(app: str, version: str, template: str, pod: str) -> None:
    """Whatever Kubernetes appends, the version stays; and without one there is none."""
    assert version_of_pod(f"{app}-{version}-{template}-{pod}") == version
    assert version_of_pod(f"{app}-{template}-{pod}") is None


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b'{"id": "0","podname": "reviews-v2-545db77b95-x7k2p","clustername": "null"}', "v2"),
        (b'{"podname":"reviews-v3-545db77b95-x7k2p"}', "v3"),
        (b"<div>Reviews served by: \n                  reviews-v1-545db77b95-x7k2p\n</div>", "v1"),
        (b"<div>Reviews served by: reviews-v1-545db77b95-x7k2p</div>", "v1"),
        (b'{"body": "\\"podname\\": \\"reviews-v9-545db77b95-x7k2p\\"", "podname": "a-v1-545db77b95-x7k2p"}', "v1"),
        (b'{"podname": 5}', None),
        (b'{"podname": ""}', None),
        (b"no healthy upstream", None),
        (b"", None),
    ],
)
def test_by_podname(body: bytes, version: str | None) -> None:
    """Bookinfo's JSON, productpage's HTML and relayed JSON tell the version; other answers have none."""
    attribute = by_podname()
    assert attribute(200, [], body) == version
    assert attribute(200, [], body) == version, "the same again from the cache"


@PATIENT
@given(st.text(), st.text(_SAFE, min_size=1))
def test_a_json_string_cannot_fake_a_podname(before: str, suffix: str) -> None:
    """Whatever a client sends and an echo returns as a JSON string, the pod's own name is what counts."""
    sent = before + json.dumps({"podname": f"reviews-v9-{suffix}"})
    body = json.dumps({"body": sent, "podname": "reviews-v1-545db77b95-x7k2p"}).encode()
    assert by_podname()(200, [], body) == "v1"


def test_by_header() -> None:
    """The first header of the name, whatever its case in the test; empty is none."""
    attribute = by_header("X-Version")
    assert attribute(200, [(b"x-other", b"a"), (b"x-version", b" v7 "), (b"x-version", b"v8")], b"") == "v7"
    assert attribute(200, [(b"x-version", b"")], b"") is None
    assert attribute(200, [], b"v7") is None


@pytest.mark.parametrize(
    ("path", "document", "version"),
    [
        ("$.a.b", {"a": {"b": "v1"}}, "v1"),
        ("a.b[0].c", {"a": {"b": [{"c": 2}]}}, "2"),
        ("$[1]", ["x", 1.5], "1.5"),
        ("a", {"a": True}, None),
        ("a", {"a": {"b": 1}}, None),
        ("a.b", {"a": "text"}, None),
        ("a[5]", {"a": [1]}, None),
        ("a[0]", {"a": {"0": 1}}, None),
        ("missing", {}, None),
    ],
)
def test_by_json(path: str, document: object, version: str | None) -> None:
    """A path leads to a string or number; anywhere else there is no version."""
    attribute = by_json(path)
    assert attribute(200, [], json.dumps(document).encode()) == version
    assert attribute(200, [], json.dumps(document).encode()) == version, "the same again from the cache"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_by_json_of_what_is_no_json(body: bytes) -> None:
    """An answer that is no JSON has no version and does no harm."""
    assert by_json("a")(503, [], body) is None


@pytest.mark.parametrize("path", ["", "$", "a..b", "a[x]", "a[", "a.b]", "$.", "[-1]"])
def test_by_json_refuses_other_paths(path: str) -> None:
    """A path that is not understood is refused when it is written, not when it is used."""
    with pytest.raises(ValueError, match="not a path into JSON"):
        by_json(path)


def test_by_body() -> None:
    """The one group of the expression is the version."""
    assert by_body(r"version=(\w+)")(200, [], b"a version=v3 b") == "v3"
    assert by_body(r"version=(\w+)?")(200, [], b"version=") is None
    assert by_body(r"version=(\w+)")(200, [], b"nothing") is None


@pytest.mark.parametrize("pattern", ["a", "(a)(b)", "(", "*"])
def test_by_body_refuses_other_patterns(pattern: str) -> None:
    """No group, two groups, no expression: refused with a reason."""
    with pytest.raises(ValueError, match=r"group|regular expression"):
        by_body(pattern)


@pytest.mark.parametrize("attribute", [by_podname(), by_header("a"), by_json("a.b"), by_body("(a)")])
def test_attributions_are_values(attribute: object) -> None:
    """They survive pickling, are equal to their copies, and print as a phrase."""
    copy = pickle.loads(pickle.dumps(attribute))
    assert copy == attribute
    assert hash(copy) == hash(attribute)
    assert str(attribute).startswith("by ")


def test_the_cache_does_not_grow_without_end() -> None:
    """An answer that differs every time does not fill the memory."""
    attribute = by_podname()
    for number in range(10_000):
        assert attribute(200, [], b'{"podname": "reviews-v%d-545db77b95-x7k2p"}' % number) == f"v{number}"
    assert len(attribute._versions) <= 4096  # type: ignore[attr-defined]
