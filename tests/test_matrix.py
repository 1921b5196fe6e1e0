"""Tables of permissions as they are written, and the policies that a control makes wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest import GET, POST, permissions
from meshtest.matrix import wrong_policies
from meshtest.resources.manifest import check, read_text


def test_a_table_is_a_mapping() -> None:
    """A table says the same as a mapping of who and what."""
    written = permissions("""
        asked                               client  ingress
        GET http://echo:8000/a              yes     -
        POST /b (x-role: cat, x-a: b: c)    no      yes
    """)
    b = POST("/b", headers={"x-role": "cat", "x-a": "b: c"})
    meant = {("client", GET("http://echo:8000/a")): True, ("client", b): False, ("ingress", b): True}
    assert written == permissions(meant)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "at least one cell"),
        ("asked  client", "at least one cell"),
        ("asked  client\nGET /a", "has 0 cells, and the table 1 columns"),
        ("asked  client\nGET /a  maybe", "a cell is yes, no or -, not 'maybe'"),
        ("asked  client\n/a  yes", "a request is a method, a URL"),
        ("asked  client\nGET a  yes", "a target is a path"),
    ],
)
def test_wrong_tables(table: str, words: str) -> None:
    """What is no table is said, with its line."""
    with pytest.raises(ValueError, match=words):
        permissions(table)


def test_senseless_figures() -> None:
    """Margins and error rates that make no sense are said."""
    with pytest.raises(ValueError, match="within is between 0 and 100"):
        permissions({("a", GET("/")): True}, within=100)


@given(st.dictionaries(st.sampled_from(["client", "ingress", "a-b"]), st.booleans(), min_size=1))
def test_columns(said: dict[str, bool]) -> None:
    """Each column is who asks, whatever the others are."""
    table = "\n".join(
        "  ".join(line) for line in (["x", *said], ["GET /", *("yes" if each else "no" for each in said.values())])
    )
    assert permissions(table) == permissions({(who, GET("/")): each for who, each in said.items()})


POLICIES = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: one}
spec: {rules: [{to: [{operation: {paths: [/a]}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: two}
spec: {action: AUDIT, rules: [{}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: other}
spec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}
"""


def test_wrong_policies() -> None:
    """Each policy is taken away; those that let in or keep out do the opposite; the rest stays."""
    applied = {each.key: each for each in check(read_text(POLICIES, "p.yaml"))}
    found = dict(wrong_policies(applied))
    assert list(found) == [
        "without AuthorizationPolicy default/one",
        "DENY instead of ALLOW in AuthorizationPolicy default/one",
        "without AuthorizationPolicy default/two",
    ]
    assert [len(each) for each in found.values()] == [2, 3, 2]
    assert [
        each.spec.get("action") for each in found["DENY instead of ALLOW in AuthorizationPolicy default/one"].values()
    ] == ["DENY", "AUDIT", None]
