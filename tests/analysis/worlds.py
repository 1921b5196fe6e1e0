"""Worlds from plain objects, in Bookinfo."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from meshtest.analysis.world import World
from meshtest.resources.manifest import examine, read_objects
from meshtest.topology.default import default_topology
from meshtest.topology.topology import Topology


@cache
def bookinfo() -> Topology:
    """Bookinfo with Istio's ingress gateway."""
    return default_topology([])


def world(*objects: Mapping[str, Any]) -> World:
    """The world in which these objects are in force; they must be right."""
    checked, problems = examine(read_objects(objects))
    assert [problem for problem in problems if not problem.unsupported] == []
    return World(bookinfo(), checked)
