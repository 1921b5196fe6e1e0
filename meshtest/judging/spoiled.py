"""A rule that answers some requests itself, and wrongly: the simplest way to make a mesh wrong by a margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Spoiled:
    """A share of a rule's requests (`percent`) is aborted with `status`; a rule that answers by itself answers all with it.

    A redirect keeps its kind (faults go with routes only), and leads elsewhere.
    """

    status: int
    percent: float

    def __call__(self, rule: Mapping[str, Any]) -> Json:
        """The changed copy of the rule (an entry of a VirtualService's `http`)."""
        if "directResponse" in rule:
            return {**rule, "directResponse": {"status": self.status}}
        if "redirect" in rule:
            return {**rule, "redirect": {**rule["redirect"], "authority": "spoiled.invalid"}}
        abort = {"httpStatus": self.status, "percentage": {"value": self.percent}}
        return {**rule, "fault": {**rule.get("fault", {}), "abort": abort}}
