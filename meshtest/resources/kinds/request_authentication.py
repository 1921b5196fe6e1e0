"""What a RequestAuthentication may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.policy_target import TARGETS, at_most, at_most_16_targets, one_target
from meshtest.resources.schema import DURATION, FLAG, TEXT, ListOf, Message, Report, Text, Type

# As Go parses one (`net/url`): what stands in it is free, but for control characters and broken %-escapes.
_URL = re.compile(r"https?:(?://(?P<host>[^/?]*))?(?P<path>[^?\x00-\x1f\x7f]*)(?:\?[^\x00-\x1f\x7f]*)?", re.IGNORECASE)
_HOST = re.compile(r"(?:[^@]*@)?(?:\[[0-9a-fA-F:.%]+\]|[^\s:\[\]<>\"\\^`{|}%\x00-\x1f\x7f]*)(?::[0-9]*)?")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_HEADER = re.compile(r"[-_A-Za-z0-9]+")
# The parts that a key of each type must have (RFC 7518, section 6).
_KEY_PARTS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "oct": ("k",)}
_BASE64 = frozenset({"n", "e", "x", "y", "k"})


def _given(text: str) -> str | None:
    return None if text else "must not be empty"


def _url(text: str) -> str | None:
    found = _URL.fullmatch(text) if len(text) <= 2048 else None
    if found and _HOST.fullmatch(found["host"] or "") and not _BROKEN_ESCAPE.search(found["path"]):
        return None
    return f"must be a URL that begins with http:// or https://, of at most 2048 characters; this is {text[:60]!r}"


def _header(text: str) -> str | None:
    return None if _HEADER.fullmatch(text) else f"must be of letters, digits, `-` and `_`; this is {text!r}"


def _key_set(text: str) -> str | None:
    """A JSON Web Key Set (RFC 7517), or one key; empty for none."""
    if not text:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text.lstrip())  # what follows the set is not looked at
    except (ValueError, RecursionError):
        return "must be a JSON Web Key Set; this is no JSON"
    if not isinstance(found, dict):
        return "must be a JSON Web Key Set: an object with `keys`"
    keys = [found] if "keys" not in found else found["keys"] if found["keys"] is not None else []
    if not isinstance(keys, list):
        return "must be a JSON Web Key Set, whose `keys` are a list"
    return next((wrong for index, key in enumerate(keys) if (wrong := _key(index, key))), None)


def _key(index: int, key: object) -> str | None:
    if not isinstance(key, dict) or key.get("kty") not in _KEY_PARTS:
        return f"the key {index} of this set has no type: `kty` must be one of {', '.join(_KEY_PARTS)}"
    for part in _KEY_PARTS[key["kty"]]:
        value = key.get(part)
        if not isinstance(value, str) or (part in _BASE64 and not _base64(value)):
            return f"the key {index} of this set is of type {key['kty']} and needs a {part!r}"
    wrong = [part for part in ("kid", "use", "alg") if not isinstance(key.get(part, ""), str)]
    return f"the {wrong[0]!r} of the key {index} of this set must be a text" if wrong else None


def _base64(text: str) -> bool:
    padded = text if "=" in text else text + "=" * (-len(text) % 4)
    if len(padded) % 4:
        return False
    try:
        base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _source_of_keys(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if len(given := [field for field in ("jwksUri", "jwks_uri", "jwks") if field in spec]) > 1:
        report((*path, given[1]), f"{given[1]!r} and {given[0]!r} exclude each other: keep one")
    if not any(spec.get(field) for field in ("issuer", "jwksUri", "jwks_uri")):
        report(path, "must have an `issuer` or a `jwksUri`")


JWT_RULE = Message(
    {
        "issuer": Text(lambda text: None if text else "must not be empty: it is the `iss` of the tokens"),
        "audiences": ListOf(Text(_given)),
        "jwksUri": Text(_url),
        "jwks_uri": Text(_url),
        "jwks": Text(_key_set),
        "fromHeaders": ListOf(Message({"name": Text(_given), "prefix": TEXT}, required=("name",))),
        "fromParams": ListOf(Text(_given)),
        "fromCookies": ListOf(Text(_given)),
        "outputPayloadToHeader": TEXT,
        "forwardOriginalToken": FLAG,
        "outputClaimToHeaders": ListOf(
            Message({"header": Text(_header), "claim": Text(_given)}, required=("header", "claim"))
        ),
        "timeout": DURATION,
        "spaceDelimitedClaims": ListOf(Text(_given)),
    },
    rules=(_source_of_keys, at_most("spaceDelimitedClaims", 64)),
    form="{issuer: https://login.example.com, jwksUri: https://login.example.com/keys}",
)

REQUEST_AUTHENTICATION: Type = Message(
    {**TARGETS, "jwtRules": ListOf(JWT_RULE)},
    rules=(one_target, at_most_16_targets, at_most("jwtRules", 4096)),
)
