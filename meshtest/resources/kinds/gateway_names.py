"""The gateways that a VirtualService, or one of its matches, is bound to."""

from __future__ import annotations

from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.schema import TEXT, ListOf, Report

_TEXTS = ListOf(TEXT)


class GatewayNames:
    """Names of gateways. Those after the first that has no `/`, such as `mesh`, are not looked at (`validateGatewayNames`)."""

    inner = _TEXTS

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value`; what is wrong goes to `report`."""
        names = _TEXTS.read(value, path, report)
        for index, each in enumerate(names):
            if isinstance(each, str) and (wrong := name.gateway(each)):
                report((*path, index), wrong)
            if not isinstance(each, str) or "/" not in each:
                break
        return names


GATEWAY_NAMES = GatewayNames()
