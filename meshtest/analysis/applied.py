"""What is dubious in resources that are being put in force."""

from __future__ import annotations

from collections.abc import Iterable

from meshtest.analysis.analyze import analyze
from meshtest.analysis.catalogue import UNKNOWN_CERTIFICATE, UNKNOWN_CREDENTIAL
from meshtest.analysis.finding import WARNING, Finding
from meshtest.analysis.suppression import wanted
from meshtest.analysis.world import Key, World
from meshtest.resources.resource import Resource
from meshtest.topology.topology import Topology

_OF_SECRETS = (UNKNOWN_CREDENTIAL, UNKNOWN_CERTIFICATE)  # a mesh may have Secrets that nobody shows here


def doubts(topology: Topology, in_force: Iterable[Resource], applied: frozenset[Key]) -> list[Finding]:
    """The warnings about what is applied now, beside all that is in force then."""
    found = analyze(World(topology, in_force, subjects=applied))
    return [each for each in wanted(found) if each.severity == WARNING and each.code not in _OF_SECRETS]
