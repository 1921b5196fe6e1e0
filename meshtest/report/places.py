"""Where a file is, as a code host wants it: relative to the folder from which the check is run."""

from __future__ import annotations

from pathlib import Path


def relative(file: str) -> str:
    """The path from here with `/`, without `./`; an absolute one for what is elsewhere."""
    path = Path(file)
    absolute = Path.cwd() / path
    return absolute.relative_to(Path.cwd()).as_posix() if absolute.is_relative_to(Path.cwd()) else absolute.as_posix()
