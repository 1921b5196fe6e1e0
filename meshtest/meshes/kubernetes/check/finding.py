"""What a check found: how bad it is, of what, in a sentence, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass

OK, WARNING, ERROR, UNKNOWN = "ok", "warning", "error", "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `ok`: as it must be; `warning`: tests run, but something is not as it should be; `error`: tests would fail, or judge the wrong thing;
    `unknown`: it could not be seen. `subject` is what it is about, as kubectl writes it: `namespace kind/name`.
    """

    severity: str
    subject: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.severity}: {self.subject}: {self.message}"

    def as_json(self) -> dict[str, str]:
        """The finding as plain data."""
        return asdict(self)
