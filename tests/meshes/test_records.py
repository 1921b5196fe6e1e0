"""What is written down before an object is touched, and the API server's words about resources."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.meshes.kubernetes.record import ABANDONED, Record, holders, records
from meshtest.meshes.kubernetes.refusal import concerns_resource, path, problems
from meshtest.resources.document import parse
from meshtest.resources.resource import dotted, resources

JSON = st.recursive(
    st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=5
)
KINDS = st.sampled_from([("networking.istio.io/v1", "VirtualService"), ("v1", "Secret")])


def record(kind=("v1", "ConfigMap"), number=0, order=0, before=None, applied=None, name="reviews"):
    target = {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": name, "namespace": "shop"}}
    return Record("run-1", order, number, target, before, applied)


@given(KINDS, st.integers(0, 3), JSON, JSON, st.integers(1, 60))
def test_a_record_is_read_as_it_was_written(kind, number, before, applied, size):
    """However many parts it has."""
    written = record(kind, number, 7, before, applied)
    found = holders(written, size)
    assert records(reversed(found)) == ([written], [])
    assert {each["kind"] for each in found} == {"Secret" if kind[1] == "Secret" else "ConfigMap"}
    assert len({each["metadata"]["name"] for each in found}) == len(found)


def test_a_record_without_a_part_is_none():
    """The object was not touched yet, or is restored already."""
    found = holders(record(before={"a": "b" * 200}), 50)
    for left in range(1, len(found)):
        for parts in itertools.combinations(found, left):
            assert records(parts) == ([], list(parts))


def test_records_are_in_the_order_in_which_objects_were_touched():
    """And an object's own in that of its changes; abandoned ones are left out."""
    several = [record(name="b", order=1), record(name="a"), record(name="a", number=1)]
    found = [each for one in several for each in holders(one)]
    (abandoned,) = holders(record(name="c"))
    abandoned["metadata"]["labels"][ABANDONED] = "true"
    assert records([*found, abandoned]) == ([several[1], several[2], several[0]], [])


NAMES = st.from_regex(r"[a-zA-Z]{1,5}", fullmatch=True)


@given(NAMES, st.lists(NAMES | st.integers(0, 99)))
def test_fields_are_read_as_the_server_writes_them(first, rest):
    """`spec.http[0].route`."""
    assert path(dotted((first, *rest))) == (first, *rest)


@pytest.mark.parametrize(
    ("status", "said", "ours"),
    [
        (422, "x is invalid", True),
        (400, "strict decoding error", True),
        (403, 'admission webhook "v.istio.io" denied the request: x', True),
        (403, 'User "x" cannot create resource', False),
        (403, "exceeded quota", False),
        (500, 'failed calling webhook "v": admission webhook', False),
    ],
)
def test_whose_fault_a_refusal_is(status, said, ours):
    """The resource's, or that of rights and of the server."""
    assert concerns_resource(status, said) == ours


def test_what_is_refused_has_a_line():
    """By the server's causes, by the fields it does not know, else by the whole."""
    (resource,) = resources(
        parse("apiVersion: v1\nkind: A\nmetadata:\n  name: a\nspec:\n  b:\n  - c: 1\n", "a.yaml"), "shop"
    )

    def told(said, *causes):
        return [str(each) for each in problems(resource, said, causes)]

    assert told("x", {"field": "spec.b[0].c", "message": "too small"}) == ["a.yaml:7: A shop/a spec.b[0].c: too small"]
    assert told('unknown field "spec.b[0].d"') == ["a.yaml:7: A shop/a spec.b[0].d: the API server knows no such field"]
    assert told("denied", {"field": "<nil>", "message": "?"}) == ["a.yaml:5: A shop/a spec: denied"]
