"""Lists whose items must differ."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.schema import ListOf, Report, Type


@dataclass(frozen=True)
class Unique:
    """A list in which no two items have the same `key`; `what` is the field that they have in common, empty for the item itself."""

    item: Type
    key: Callable[[Any], Hashable]
    what: str = ""
    least: int = 0
    most: int | None = None

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value`; what is wrong goes to `report`."""
        wrong: list[Path] = []

        def noted(path: Path, message: str, *, unsupported: bool = False) -> None:
            wrong.append(path)
            report(path, message, unsupported=unsupported)

        out = ListOf(self.item, self.least, self.most).read(value, path, noted)
        seen: set[Hashable] = set()
        for index, item in enumerate(out if not wrong else ()):
            if (key := self.key(item)) in seen:
                at = (*path, index, self.what) if self.what and self.what in item else (*path, index)
                report(at, "stands here twice: items of this list must differ in their " + (self.what or "value"))
            seen.add(key)
        return out


def by(field: str) -> Callable[[Any], Hashable]:
    """Items are told apart by a field."""
    return lambda item: item[field]


def itself(item: Any) -> Hashable:
    """Items are told apart by what they are."""
    return item if isinstance(item, Hashable) else repr(item)
