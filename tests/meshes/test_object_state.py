"""What of an object is its state, what is ours in it and what is someone else's."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from meshtest.meshes.kubernetes.ownership import given_back, owners, union
from meshtest.meshes.kubernetes.state import (
    ABSENT,
    at,
    decides,
    differences,
    made,
    meddled,
    merged,
    nearest,
    replaced,
    state,
    wanted,
)
from meshtest.resources.document import parse
from meshtest.resources.resource import resources

NAMES = st.sampled_from("abc")
VALUES = st.recursive(
    st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
STATES = st.dictionaries(NAMES, VALUES, max_size=3)


def leaves(value, path=()):
    """Each path that a value itself stands at."""
    if isinstance(value, dict) and value:
        return [each for key, inner in value.items() for each in leaves(inner, (*path, key))]
    return [path]


def touches(one, other):
    """Whether one path is part of another."""
    shortest = min(len(one), len(other))
    return one[:shortest] == other[:shortest]


@given(STATES, STATES)
def test_what_nobody_else_changed_goes_back(before, applied):
    """All of it, whatever was made of it."""
    assert merged(before, applied, applied, lambda path: True) == (before, [])


@given(STATES, STATES, STATES)
def test_what_someone_else_changed_stays(before, applied, now):
    """With its value, or gone; all else is as before."""
    after, kept = merged(before, applied, now, lambda path: True)
    assert all(at(after, path) == at(now, path) for path in kept)
    for path in leaves(before):
        if not any(touches(path, each) for each in kept):
            assert at(after, path) == at(before, path)


@given(STATES, STATES, STATES)
def test_what_the_server_filled_in_goes(before, applied, now):
    """A difference that no other manager owns is not someone's change; what is gone is."""
    after, kept = merged(before, applied, now, lambda path: False)
    assert all(at(now, path) is ABSENT for path in kept)
    if not kept:
        assert after == before


@given(STATES, STATES)
def test_differences_are_all_and_only_where_two_differ(one, other):
    """None between equals."""
    found = differences(one, other)
    assert (found == []) == (one == other)
    assert all(at(one, path) != at(other, path) for path in found)


@given(st.lists(STATES, min_size=1, max_size=4), st.data())
def test_the_nearest_of_several_is_itself(several, data):
    """What an object is unchanged is what it was made to be."""
    now = data.draw(st.sampled_from(several))
    assert nearest(several, now) == now


def test_others_metadata_is_no_matter_to_a_test():
    """Unless we had set it."""
    before, applied = {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "2"}}}
    ours, others, spec = ("metadata", "labels", "a"), ("metadata", "labels", "b"), ("spec", "host")
    assert meddled([ours, others, spec], before, applied) == [ours, spec]


def test_what_the_server_writes_is_no_state():
    """Nor the version that an object is read in."""
    one = {
        "apiVersion": "v1",
        "kind": "A",
        "metadata": {"name": "a", "uid": "1", "generation": 1},
        "spec": 1,
        "status": 1,
    }
    other = {"apiVersion": "v2", "kind": "A", "metadata": {"name": "a", "resourceVersion": "2"}, "spec": 1}
    assert state(one) == state(other) == {"metadata": {"name": "a"}, "spec": 1}


def test_what_is_sent_is_what_its_author_wrote():
    """But for what the server writes; with the run's label, and of what is made our own."""
    text = "{apiVersion: v1, kind: A, metadata: {name: a, uid: u, labels: {x: }}, spec: {b: 1}, status: {c: 1}}"
    (resource,) = resources(parse(text, "a.yaml"), "shop")
    labels = {"x": "", "meshtest.dev/run": "r"}
    body = {
        "apiVersion": "v1",
        "kind": "A",
        "metadata": {"name": "a", "namespace": "shop", "labels": labels},
        "spec": {"b": 1},
    }
    assert wanted(resource, "r") == body
    assert made(body)["metadata"]["labels"] == {**labels, "app.kubernetes.io/managed-by": "meshtest"}


def test_labels_of_other_tools_stay():
    """Those without a domain, and Istio's, decide what the mesh does: these are the manifest's."""
    assert [
        each
        for each in ("version", "istio.io/rev", "a.istio.io/b", "argocd.argoproj.io/x", "notistio.io/x")
        if decides(each)
    ] == [
        "version",
        "istio.io/rev",
        "a.istio.io/b",
    ]
    metadata = {
        "name": "a",
        "uid": "u",
        "labels": {"version": "v1", "helm.sh/chart": "c"},
        "finalizers": ["f"],
        "managedFields": [1],
    }
    body = {"kind": "A", "metadata": {"name": "a", "labels": {"app": "b"}}, "spec": 2}
    assert replaced({"kind": "A", "metadata": metadata, "spec": 1, "more": 1, "status": 3}, body) == {
        "kind": "A",
        "metadata": {
            "name": "a",
            "uid": "u",
            "labels": {"helm.sh/chart": "c", "app": "b"},
            "annotations": {},
            "finalizers": ["f"],
        },
        "spec": 2,
        "status": 3,
    }


TREES = st.recursive(
    st.just({}), lambda inner: st.dictionaries(NAMES.map("f:{}".format), inner, min_size=1, max_size=3), max_leaves=8
).filter(bool)


def entry(manager, fields, **more):
    return {"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "t", "fieldsV1": fields, **more}


@given(st.dictionaries(st.sampled_from(["kubectl", "argocd", "helm"]), TREES), TREES, TREES)
def test_managers_are_as_before(before, left, ours):
    """Whatever we took from them; a controller's part (`status`) is as it is now."""
    then = [entry(name, fields) for name, fields in before.items()]
    status = entry("istiod", {"f:status": {}}, subresource="status")
    now = [*(entry(name, left) for name in list(before)[1:]), entry("meshtest", ours), status]
    assert given_back([*then, {**status, "time": "earlier"}], now, []) == [*then, status]


@given(TREES, TREES)
def test_what_someone_took_is_theirs(before, took):
    """Nobody else has a part in it any more."""
    path = leaves({key[2:]: value for key, value in took.items()})[0]
    path = tuple(key.removeprefix("f:") for key in path)
    back = given_back([entry("kubectl", before)], [entry("someone", took)], [path])
    assert [each["manager"] for each in owners(back, path)] == ["someone"]


@given(TREES, TREES)
def test_a_union_has_the_fields_of_both(one, other):
    """And is one of each."""
    both = union(one, other)
    assert union(both, one) == union(both, other) == both
    for path in (*leaves(one), *leaves(other)):
        assert at(both, path) is not ABSENT


def test_owners_are_those_of_a_field_of_what_it_is_part_of_and_of_its_parts():
    """We are none of them, nor is the manager that the server makes up."""
    managed = [
        entry("whole", {"f:spec": {"f:http": {}}}),
        entry("part", {"f:spec": {"f:http": {"k:1": {}}}}),
        entry("other", {"f:spec": {"f:tcp": {}}}),
        entry("meshtest", {"f:spec": {"f:http": {}}}),
        entry("before-first-apply", {"f:spec": {"f:http": {}}}),
    ]
    copied = copy.deepcopy(managed)
    assert [each["manager"] for each in owners(managed, ("spec", "http"))] == ["whole", "part"]
    assert managed == copied
