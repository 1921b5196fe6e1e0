"""Findings as SARIF 2.1.0, which GitHub's code scanning and many editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from meshtest.analysis.finding import ERROR, INFO, WARNING, Code, Finding
from meshtest.report.fingerprints import fingerprinted
from meshtest.report.places import relative

Json = dict[str, Any]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {ERROR: "error", WARNING: "warning", INFO: "note"}


def sarif(findings: Sequence[Finding], version: str) -> Json:
    """The log of one run of this version of meshtest; paths are relative to the folder that it was run in."""
    codes = sorted({each.code for each in findings}, key=lambda code: code.name)
    places = {code: at for at, code in enumerate(codes)}
    driver = {"name": "meshtest", "semanticVersion": version, "rules": [_rule(code) for code in codes]}
    results = [_result(name, each, places[each.code]) for name, each in fingerprinted(findings)]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: Code) -> Json:
    also = {"properties": {"tags": [code.istio]}} if code.istio else {}
    return {
        "id": code.name,
        "shortDescription": {"text": code.title},
        "defaultConfiguration": {"level": _LEVELS[code.severity]},
        **also,
    }


def _result(fingerprint: str, finding: Finding, rule: int) -> Json:
    place = {
        "artifactLocation": {"uri": _uri(relative(finding.resource.file))},
        "region": {"startLine": max(finding.line, 1)},
    }
    return {
        "ruleId": finding.code.name,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"meshtest/v1": fingerprint},
    }


def _uri(path: str) -> str:
    return f"file://{quote(path)}" if path.startswith("/") else quote(path)
