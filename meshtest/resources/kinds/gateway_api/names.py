"""Names as the CRDs of the Gateway API have them."""

from __future__ import annotations

import re

from meshtest.resources.schema import Text, Whole

_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}")


def matching(pattern: str, what: str, *, most: int, least: int = 1) -> Text:
    """A text of `least` to `most` characters that matches the whole of a pattern; `what` says what it is, for a sentence."""
    compiled = re.compile(pattern, re.DOTALL)

    def check(text: str) -> str | None:
        return None if len(text) >= least and compiled.fullmatch(text) else f"must be {what}; this is {text!r}"

    return Text(check, most)


def _not_empty(text: str) -> str | None:
    return None if text else "must not be empty"


def filled(most: int) -> Text:
    """Any text of 1 to `most` characters."""
    return Text(_not_empty, most)


def _duration(text: str) -> str | None:
    return None if _DURATION.fullmatch(text) else f"must be a duration such as 10s, 500ms or 1m30s; this is {text!r}"


GROUP = matching(rf"(?:{_DOMAIN})?", "a group of the Kubernetes API, such as apps, or empty", most=253, least=0)
KIND = matching("[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?", "a kind, such as Service", most=63)
NAME = filled(253)
NAMESPACE = matching(_LABEL, "a namespace: small letters, digits and `-`", most=63)
SECTION = matching(_DOMAIN, "small letters, digits, `-` and `.`", most=253)
HOSTNAME = matching(rf"(?:\*\.)?{_DOMAIN}", "a host name, perhaps with `*.` before it", most=253)
PRECISE_HOSTNAME = matching(_DOMAIN, "a host name without a wildcard", most=253)
HEADER_NAME = matching(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+", "the name of an HTTP header", most=256)
ROUTE_DURATION = Text(_duration)
DOMAIN = _DOMAIN
PORT_NUMBER = Whole(1, 65535)
