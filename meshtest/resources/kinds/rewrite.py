"""Rewritten paths and hosts (`HTTPRewrite`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.kinds.string_match import REGEX
from meshtest.resources.schema import TEXT, Message, Report


def _rewritten(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not any(spec.values()):
        report(path, "must say what to rewrite: uri, uriRegexRewrite or authority")
    if spec.get("uri") and "uriRegexRewrite" in spec:
        report((*path, "uriRegexRewrite"), "'uriRegexRewrite' and 'uri' exclude each other: keep one")
    if "uriRegexRewrite" in spec and not spec["uriRegexRewrite"]["rewrite"]:
        report((*path, "uriRegexRewrite"), "must have both a match and a rewrite")


REWRITE = Message(
    {
        "uri": TEXT,
        "authority": TEXT,
        "uriRegexRewrite": Message({"match": REGEX, "rewrite": TEXT}, required=("match", "rewrite")),
    },
    rules=(_rewritten,),
    form="{uri: /new}",
)
