"""meshtest proves what a service mesh's traffic policies do.

What a test needs is named here, and loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meshtest.authority import Authority
    from meshtest.errors import AnalysisWarning, MeshError, MeshtestError, PolicyViolation, ResourceError
    from meshtest.fixtures import Mesh
    from meshtest.judging.answered import Answered, answered
    from meshtest.judging.balanced import Balanced, balanced
    from meshtest.judging.ejected_for import EjectedFor, ejected_for
    from meshtest.judging.ejects import Ejects, ejects
    from meshtest.judging.expectation import Expectation, judge
    from meshtest.judging.experiment import Experiment
    from meshtest.judging.fault import Aborted, Delayed, aborted, delayed
    from meshtest.judging.lossless import Lossless, lossless
    from meshtest.judging.mirrored import Mirrored, mirrored
    from meshtest.judging.permissions import Permissions
    from meshtest.judging.received import Received, received
    from meshtest.judging.retried import Retried, retried
    from meshtest.judging.split import Split, split
    from meshtest.judging.split_test import SplitTest
    from meshtest.judging.sticky import Sticky, sticky
    from meshtest.judging.timeout import TimedOut, timed_out
    from meshtest.judging.trips import Trips, trips
    from meshtest.judging.verdict import Forecast, Judgement, Verdict
    from meshtest.matrix import permissions
    from meshtest.source import Source
    from meshtest.traffic.attribution import by_body, by_header, by_json, by_podname
    from meshtest.traffic.driver import Driver
    from meshtest.traffic.request import DELETE, GET, HEAD, POST, PUT, Request, request
    from meshtest.traffic.sample import Sample
    from meshtest.workload import Workload

_HOMES = {
    "meshtest.authority": ("Authority",),
    "meshtest.errors": ("AnalysisWarning", "MeshError", "MeshtestError", "PolicyViolation", "ResourceError"),
    "meshtest.fixtures": ("Mesh",),
    "meshtest.judging.answered": ("Answered", "answered"),
    "meshtest.judging.balanced": ("Balanced", "balanced"),
    "meshtest.judging.expectation": ("Expectation", "judge"),
    "meshtest.judging.experiment": ("Experiment",),
    "meshtest.judging.fault": ("Aborted", "Delayed", "aborted", "delayed"),
    "meshtest.judging.mirrored": ("Mirrored", "mirrored"),
    "meshtest.judging.permissions": ("Permissions",),
    "meshtest.judging.received": ("Received", "received"),
    "meshtest.judging.retried": ("Retried", "retried"),
    "meshtest.judging.split": ("Split", "split"),
    "meshtest.judging.split_test": ("SplitTest",),
    "meshtest.judging.sticky": ("Sticky", "sticky"),
    "meshtest.judging.timeout": ("TimedOut", "timed_out"),
    "meshtest.judging.lossless": ("Lossless", "lossless"),
    "meshtest.judging.ejects": ("Ejects", "ejects"),
    "meshtest.judging.ejected_for": ("EjectedFor", "ejected_for"),
    "meshtest.judging.trips": ("Trips", "trips"),
    "meshtest.judging.verdict": ("Forecast", "Judgement", "Verdict"),
    "meshtest.matrix": ("permissions",),
    "meshtest.source": ("Source",),
    "meshtest.traffic.attribution": ("by_body", "by_header", "by_json", "by_podname"),
    "meshtest.traffic.driver": ("Driver",),
    "meshtest.traffic.request": ("DELETE", "GET", "HEAD", "POST", "PUT", "Request", "request"),
    "meshtest.traffic.sample": ("Sample",),
    "meshtest.workload": ("Workload",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - grouped as above, kept equal to it by a test
    "Aborted",
    "AnalysisWarning",
    "Answered",
    "Authority",
    "Balanced",
    "DELETE",
    "Delayed",
    "Driver",
    "EjectedFor",
    "Ejects",
    "Expectation",
    "Experiment",
    "Forecast",
    "GET",
    "HEAD",
    "HOLDS",
    "Judgement",
    "Lossless",
    "Mesh",
    "MeshError",
    "MeshtestError",
    "Mirrored",
    "POST",
    "PUT",
    "Permissions",
    "PolicyViolation",
    "Received",
    "Request",
    "ResourceError",
    "Retried",
    "Sample",
    "Source",
    "Split",
    "SplitTest",
    "Sticky",
    "TimedOut",
    "Trips",
    "UNDECIDED",
    "VIOLATED",
    "Verdict",
    "Workload",
    "aborted",
    "answered",
    "balanced",
    "by_body",
    "by_header",
    "by_json",
    "by_podname",
    "delayed",
    "ejected_for",
    "ejects",
    "judge",
    "lossless",
    "mirrored",
    "permissions",
    "received",
    "request",
    "retried",
    "split",
    "sticky",
    "timed_out",
    "trips",
]


def __getattr__(name: str) -> Any:
    if name in ("HOLDS", "VIOLATED", "UNDECIDED"):
        return getattr(import_module("meshtest.judging.verdict").Verdict, name)
    if name not in _HOME:
        raise AttributeError(f"module 'meshtest' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
