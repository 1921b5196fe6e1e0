"""Redirects (`HTTPRedirect`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import TEXT, Enum, Message, Report, Whole

REDIRECT_CODES = (301, 302, 303, 307, 308)


class _RedirectCode:
    """Istio takes each 3xx, but makes a route without an action for those that Envoy cannot send."""

    def read(self, value: Any, path: Path, report: Report) -> Any:
        code = Whole(0, 399).read(value, path, report)
        if code in range(1, 300):
            report(path, f"must be from 300 to 399; this is {code}")
        elif code in range(300, 400) and code not in REDIRECT_CODES:
            known = ", ".join(map(str, REDIRECT_CODES))
            report(
                path,
                f"Envoy cannot redirect with {code}: Istio's route has no action then; use {known}",
                unsupported=True,
            )
        return code


def _somewhere(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if not any(spec.get(key) for key in ("uri", "prefixRewrite", "authority", "scheme")) and not spec.keys() & {
        "port",
        "derivePort",
    }:
        report(path, "must say where to: uri, authority, scheme or port")


def _one_path(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if spec.get("uri") and spec.get("prefixRewrite"):
        report((*path, "prefixRewrite"), "'prefixRewrite' and 'uri' exclude each other: keep one")


REDIRECT = Message(
    {
        "uri": TEXT,
        "prefixRewrite": TEXT,
        "authority": TEXT,
        "port": Whole(0, 65535),
        "derivePort": Enum(("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT")),
        "scheme": Enum(("http", "https", "")),
        "redirectCode": _RedirectCode(),
    },
    one_of=(("port", "derivePort"),),
    rules=(_somewhere, _one_path),
    form="{uri: /new}",
)
