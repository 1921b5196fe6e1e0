"""Unix domain sockets, which Istio takes in place of some addresses, `unix:///var/run/it.sock`."""

from __future__ import annotations

from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import Check, Report, Text

UNIX = "unix://"


class Address:
    """An address: what `check` lets pass, or a Unix socket, which is not implemented."""

    def __init__(self, check: Check, *, most: int | None = None) -> None:
        self._text = Text(lambda text: unix_socket(text) if text.startswith(UNIX) else check(text), most)

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value`; what is wrong, or a Unix socket, goes to `report`."""
        if isinstance(value, str) and value.startswith(UNIX) and unix_socket(value) is None:
            report(path, "a Unix socket is not implemented by the local mesh", unsupported=True)
        return self._text.read(value, path, report)


def unix_socket(text: str) -> str | None:
    """The path of a file, or the name of an abstract socket, after `unix://` (`ValidateUnixAddress`)."""
    path = text.removeprefix(UNIX)
    if path.startswith("@") or (path.startswith("/") and not path.endswith("/")):
        return None
    return f"must be unix:// and the absolute path of a file, or unix://@name; this is {text!r}"
