"""Secrets are not recorded, wherever they stand; the rest is."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtest.redaction import HIDDEN, redacted, redacted_value, redacted_yaml

S = "hunter2SECRETvalue"
PLACES = [
    f"Authorization: Bearer {S}",
    f"authorization: {S}",
    f"GET /reviews/0 (authorization: Basic {S}, x-role: cat)",
    f"GET /reviews/0?access_token={S}&page=2",
    f"GET https://me:{S}@shop.example.com/cart",
    f"cookie: session={S}; user=jason",
    f"set-cookie: session={S}; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
    f"{{'Cookie': 'a={S}', 'x-role': 'cat'}}",
    f'headers={{"Proxy-Authorization": "{S}"}}',
    f"[('authorization', '{S}'), ('x-role', 'cat')]",
    f"[(b'x-api-key', b'{S}')]",
    f"auth=('jason', '{S}')",
    f'{{"user": "jason", "password": "{S}"}}',
    f'E  {{"body": "{{\\"client_secret\\": \\"{S}\\"}}"}}',
    f"DB_PASSWORD={S}",
    f"pytest --api-token {S} -x",
    f"pytest --api-token={S}",
    f"token: {S} and {S}",
    f"it said eyJhbGciOi.eyJzdWIiOiJ{S}.{S}",
    f"-----BEGIN EC PRIVATE KEY-----\n{S}\n{S}\n-----END EC PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{S}",
    f"postgres://shop:{S}@db:5432/shop",
    f'"password": "it\'s \\"{S}\\" {S}"',
]


@pytest.mark.parametrize("text", PLACES)
def test_secrets_are_hidden(text: str) -> None:
    """In every place where they turn up; what stands on other lines is kept, on its line."""
    found = redacted(f"before\n{text}\nx-role: cat" if "BEGIN PRIVATE" not in text else f"before\n{text}")
    assert S not in found
    assert HIDDEN in found
    assert found.startswith("before\n")
    if "BEGIN PRIVATE" not in text:
        assert found.endswith("\nx-role: cat")
        assert found.count("\n") == text.count("\n") + 2


@pytest.mark.parametrize(
    "text",
    [
        "GET /reviews/0 (end-user: jason)",
        "503 UO upstream_reset_before_response_started{overflow}",
        "httpCookie: {name: user, ttl: 0s}",
        "credentialName: shop-certificate",
        "every share is within its margin of the configured weight (v1 80.5 %, v2 19.5 %)",
        '[2026-11-28T11:15:26.373Z] "GET / HTTP/1.1" 503 UO - "-" 0 81 2 - "192.0.2.2" "meshtest/b25de3a8c158.0"',
        "test_tokens.py::test_tokens_are_refused[a-b]",
        "the proxy has no secretary",
    ],
)
def test_the_rest_is_kept(text: str) -> None:
    """What only sounds like a secret stays as it is."""
    assert redacted(text) == text


@given(
    st.text(st.characters(blacklist_categories=["Cs"]), min_size=12).filter(
        lambda text: "\n" not in text and text.strip() == text
    )
)
def test_any_value_of_a_member(secret: str) -> None:
    """Whatever a password is made of, JSON with it does not show it; nor do plain data."""
    inside = json.dumps(secret)[1:-1]
    found = redacted(json.dumps({"a": 1, "password": secret}))
    assert inside not in found
    assert redacted_value({"x": [{"password": secret, "b": True}]}) == {"x": [{"password": HIDDEN, "b": True}]}


@given(st.text(max_size=200))
def test_lines_stay_where_they_are(text: str) -> None:
    """Redacting twice is redacting once, and no line comes or goes."""
    found = redacted(text)
    assert found.count("\n") == text.count("\n")
    assert redacted(found) == found


MANIFEST = f"""\
apiVersion: v1
kind: Secret
metadata: {{name: shop-certificate}}
type: kubernetes.io/tls
data:
  tls.key: {S}
stringData:
  note: |
    {S}
    {S}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews}}
spec:
  http:
  - match:
    - headers: {{authorization: {{exact: {S}}}, end-user: {{exact: jason}}}}
    headers:
      request:
        set:
          cookie: >-
            a={S}
          x-role: cat # password: {S}
          "x-note": "say password={S}, please"
          x-code: |
            handle.headers():add("authorization", "{S}")
            return
    route: [{{destination: {{host: reviews}}}}]
"""


def test_manifests() -> None:
    """A Secret's data and the values under sensitive names are hidden; it is the same YAML otherwise, line by line."""
    found = redacted_yaml(MANIFEST)
    assert S not in found
    assert found.count("\n") == MANIFEST.count("\n")
    secret, rule = yaml.safe_load_all(found)
    assert secret["metadata"] == {"name": "shop-certificate"}
    assert rule["spec"]["http"][0]["match"][0]["headers"]["end-user"] == {"exact": "jason"}
    assert rule["spec"]["http"][0]["headers"]["request"]["set"]["x-role"] == "cat"
    line = MANIFEST.split("\n").index(f"          x-role: cat # password: {S}")
    assert found.split("\n")[line] == "          x-role: cat # password: [redacted]"


def test_an_alias_of_a_secret() -> None:
    """A text that is a secret in one place is hidden where it stands, whatever else it is; other characters do not move it."""
    found = redacted_yaml(f"name: 'grüße 🎈'\nnote: &a {S}\nmore: [*a]\npassword: *a\n")
    assert found == "name: 'grüße 🎈'\nnote: [redacted]\nmore: [*a]\npassword: *a\n"


def test_what_is_no_yaml() -> None:
    """What cannot be read as YAML is treated as text."""
    assert redacted_yaml(f"a: [1\npassword: {S}\n").count(S) == 0


def test_headers_in_configurations() -> None:
    """What Envoy sets a header to, or compares it with, stands beside its name."""
    given = {"header": {"key": "Authorization", "value": "planted"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    assert redacted_value(given) == {**given, "header": {"key": "Authorization", "value": HIDDEN}}
    match = {"name": "cookie", "string_match": {"exact": "planted"}, "invert_match": True}
    assert redacted_value([match]) == [{**match, "string_match": HIDDEN}]
    harmless = {"name": "end-user", "string_match": {"exact": "jason"}}
    assert redacted_value(harmless) == harmless
