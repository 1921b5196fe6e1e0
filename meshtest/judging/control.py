"""Controls: a mesh made wrong on purpose, which an expectation must call VIOLATED.

An expectation is only worth something if it fails on a mesh that is wrong by the margin that it states. Controls run at a miss rate of
1e-6 each, so that they do not flake either.
"""

from __future__ import annotations

from dataclasses import dataclass

from meshtest.resources.edit import Change

RULE = "rule"
"""The part of an edit that means the rule that decides the request."""


@dataclass(frozen=True)
class Edit:
    """A change of `part`: the rule that decides the request (`RULE`), or the `spec` of resources of a kind.

    Of `DestinationRule` it is the one for the rule's destinations, of other kinds all that the test has applied.
    """

    part: str
    change: Change


@dataclass(frozen=True)
class Control:
    """A wrong mesh: ``name`` says how it is wrong, ``edits`` make it so.

    ``arms`` are those that can answer there, if that is known: an answer of another one shows that the mesh came out otherwise.
    """

    name: str
    edits: tuple[Edit, ...]
    arms: frozenset[str] | None = None
