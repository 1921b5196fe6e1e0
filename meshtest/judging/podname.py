"""Which instances answered: the pods that answers name, as Bookinfo's and the stand-ins' do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from meshtest.errors import MeshError
from meshtest.judging.answers import Answers

_PODNAME = re.compile(rb'"podname"\s*:\s*"([^"\\]{1,253})"')


def podname(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str | None:
    """The `podname` of a JSON answer, None without one (a proxy's own)."""
    found = _PODNAME.search(body)
    return found.group(1).decode("ascii", "replace") if found else None


def whole(answers: Answers, requests: int) -> Answers:
    """The answers to so many requests; MeshError if some got none, which says nothing of where they lead."""
    if missing := requests - len(answers.answered):
        raise MeshError(
            f"{missing} of {requests} requests got no HTTP answer at all: they say nothing about the policy"
        )
    return answers
