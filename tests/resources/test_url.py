"""URLs as Go reads them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.resources.url import scheme


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *(("http://a", "http"), ("HTTPS://a:80/b?c#d", "https"), ("oci://a/b:c", "oci"), ("/a", ""), ("*", "")),
        *(
            ("a:5000/b", "a"),
            ("http://[::1]:80/", "http"),
            ("http://u:p@a", "http"),
            ("http://a/b c", "http"),
            ("http://ü", "http"),
        ),
        *(("", None), ("a", None), (":a", None), ("http://a b", None), ("http://a:b", None), ("http://::1", None)),
        *(
            ("http://[::1", None),
            ("http://[a]", None),
            ("http://a/%", None),
            ("http://%41", None),
            ("http://a\n", None),
        ),
    ],
)
def test_schemes(text: str, found: str | None) -> None:
    """The scheme of a URL, or None for what is none."""
    assert scheme(text) == found


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_a_url_or_none(text: str) -> None:
    """No text makes reading fail otherwise."""
    assert scheme(text) is None or isinstance(scheme(text), str)
