"""Label selectors, as Kubernetes documents them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.meshes.kubernetes.check.selector import matches

KEYS = st.sampled_from(["app", "tier", "istio.io/rev"])
VALUES = st.sampled_from(["a", "b", "c"])
LABELS = st.dictionaries(KEYS, VALUES)


@given(LABELS)
def test_an_empty_selector_takes_all(labels):
    """Also one that is not there."""
    assert matches(None, labels)
    assert matches({}, labels)
    assert matches({"matchLabels": {}, "matchExpressions": []}, labels)


@given(LABELS, KEYS, VALUES)
def test_labels_and_expressions_say_the_same(labels, key, value):
    """`matchLabels` is short for `In` with one value."""
    expression = {"key": key, "operator": "In", "values": [value]}
    assert matches({"matchLabels": {key: value}}, labels) == matches({"matchExpressions": [expression]}, labels)


@given(LABELS, KEYS, st.lists(VALUES, min_size=1))
def test_opposites(labels, key, values):
    """One of each pair is so; `NotIn` holds where there is no label, too."""

    def one(operator, **more):
        return matches({"matchExpressions": [{"key": key, "operator": operator, **more}]}, labels)

    assert one("Exists") != one("DoesNotExist")
    assert one("In", values=values) != one("NotIn", values=values)
    assert one("Exists") == (key in labels)
    assert one("In", values=values) == (labels.get(key) in values)


@given(LABELS, KEYS, VALUES, KEYS, VALUES)
def test_all_of_a_selector_must_be_so(labels, key, value, other, not_value):
    """Labels and expressions are joined by `and`."""
    expressions = [{"key": other, "operator": "NotIn", "values": [not_value]}]
    both = matches({"matchLabels": {key: value}, "matchExpressions": expressions}, labels)
    assert both == (
        matches({"matchLabels": {key: value}}, labels) and matches({"matchExpressions": expressions}, labels)
    )


def test_an_operator_that_is_none():
    """It is no match by mistake."""
    with pytest.raises(ValueError, match="no operator 'Like'"):
        matches({"matchExpressions": [{"key": "app", "operator": "Like"}]}, {})
