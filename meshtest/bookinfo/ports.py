"""Ports of a pod that are the stand-in's own, beside those of the workload that it stands in for."""

from __future__ import annotations

COMMANDS, RELAY, PROBE = 14100, 14101, 14102
"""The command channel and the relay, on the pod's loopback address, which no sidecar captures; and what its readiness probe asks."""
