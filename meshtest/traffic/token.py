"""The mark in `User-Agent` by which proxies' log lines are told to be of a request.

A gateway replaces a client's `x-request-id`, and answers that Envoy makes itself do not return it; `User-Agent` reaches every proxy.
"""

from __future__ import annotations

import re

PREFIX = "meshtest/"
_AGENT = re.compile(rf"{PREFIX}([0-9a-z]+)\.([0-9]+)")


def user_agent(token: str, number: int | str) -> str:
    """The `User-Agent` of a request: `meshtest/TOKEN.NUMBER`."""
    return f"{PREFIX}{token}.{number}"


def read_user_agent(text: str) -> tuple[str, int] | None:
    """The token and number in a `User-Agent`; None for any other."""
    found = _AGENT.fullmatch(text)
    return (found[1], int(found[2])) if found else None
