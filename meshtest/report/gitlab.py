"""Findings as GitLab's code quality report: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from meshtest.analysis.finding import ERROR, INFO, WARNING, Finding
from meshtest.report.fingerprints import fingerprinted
from meshtest.report.places import relative

_SEVERITIES = {ERROR: "critical", WARNING: "major", INFO: "info"}


def code_quality(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The report; paths are relative to the folder in which meshtest was run, which has to be the repository's."""
    return [
        {
            "description": each.message,
            "check_name": each.code.name,
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[each.severity],
            "location": {"path": relative(each.resource.file), "lines": {"begin": max(each.line, 1)}},
        }
        for fingerprint, each in fingerprinted(findings)
    ]
