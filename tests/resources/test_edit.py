"""Changes of resources as values."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meshtest.resources.edit import At, Put, Removed, Reweighted, with_spec
from meshtest.resources.manifest import read_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def test_put() -> None:
    """A value is put where a path leads; mappings on the way are made."""
    value = {"a": [{"b": 1}, {"b": 2}]}
    assert Put(("a", 1, "b"), 3)(value) == {"a": [{"b": 1}, {"b": 3}]}
    assert Put(("c", "d"), 3)(value) == {**value, "c": {"d": 3}}
    assert Put(("a", 2), {"b": 3})(value) == {"a": [{"b": 1}, {"b": 2}, {"b": 3}]}


def test_removed() -> None:
    """What is there is taken away; where nothing is, nothing changes."""
    value = {"a": [{"b": 1}, {"b": 2}]}
    assert Removed(("a", 0))(value) == {"a": [{"b": 2}]}
    assert Removed(("a", 1, "b"))(value) == {"a": [{"b": 1}, {}]}
    for path in [("a", 2), ("c", "d"), ("a", 0, "c"), ("a", "b")]:
        assert Removed(path)(value) is value


def test_at() -> None:
    """What is at a path is changed by another change."""
    assert At(("a", 0), Put(("b",), 2))({"a": [{"b": 1}]}) == {"a": [{"b": 2}]}


def test_reweighted() -> None:
    """Destinations keep what else they have; a subset that is new goes to the first one's host."""
    first = {"destination": {"host": "reviews", "subset": "v1"}, "weight": 80, "headers": {"request": {}}}
    second = {"destination": {"host": "reviews", "subset": "v2"}, "weight": 20}
    rule = {"route": [first, second], "timeout": "1s"}
    made = Reweighted({"v2": 1, "v3": 2})(rule)
    assert made["timeout"] == "1s"
    assert made["route"][0] == {**second, "weight": 1}
    assert made["route"][1] == {**first, "destination": {"host": "reviews", "subset": "v3"}, "weight": 2}


@given(value=JSON, path=st.lists(st.integers(0, 2) | st.text("abc", max_size=2), min_size=1, max_size=3))
def test_the_original_stays(value: Any, path: list[str | int]) -> None:
    """A change makes a copy and leaves what it changes as it was; what is removed is no longer there."""
    before = copy.deepcopy(value)
    after = Removed(tuple(path))(value)
    assert value == before
    assert Removed(tuple(path))(after) == after or isinstance(path[-1], int)  # the next item of a list moves up


def test_with_spec() -> None:
    """A resource is another one with a changed spec, of the same key and place."""
    (resource,) = read_text("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {b: 1}\n", "a.yaml")
    made = with_spec(resource, Put(("b",), 2))
    assert (made.spec, resource.spec) == ({"b": 2}, {"b": 1})
    assert (made.key, made.where("spec", "b")) == (resource.key, resource.where("spec", "b"))
