"""What was found: a code, a place, and a sentence that says the consequence in traffic and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.resource import Resource, dotted

ERROR, WARNING, INFO = "error", "warning", "info"


@dataclass(frozen=True)
class Code:
    """A kind of finding. `istio` is the code by which `istioctl analyze` knows it, empty where it does not."""

    name: str
    title: str
    severity: str = WARNING
    istio: str = ""

    def at(self, resource: Resource, path: Path, message: str, severity: str = "") -> Finding:
        """A finding of this kind; `severity` where it is another than usual."""
        return Finding(self, severity or self.severity, resource, path, message)


@dataclass(frozen=True)
class Finding:
    """`error`: the API server refuses it; `warning`: accepted, but not what was meant; `info`: a hint."""

    code: Code
    severity: str
    resource: Resource
    path: Path
    message: str

    @property
    def line(self) -> int:
        """The line of the field."""
        return self.resource.line(*self.path)

    def __str__(self) -> str:
        return f"{self.resource.file}:{self.line}: {self.severity}: {self.code.name} {self.message}"

    def as_json(self) -> dict[str, Any]:
        """The finding as plain data."""
        return {
            "file": self.resource.file,
            "line": self.line,
            "path": dotted(self.path),
            "code": self.code.name,
            "severity": self.severity,
            "message": self.message,
        }
