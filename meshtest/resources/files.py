"""Files, folders and the standard input, as bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from meshtest.errors import ResourceError
from meshtest.resources.document import MAX_BYTES

_STDIN = "-"


def contents(paths: Iterable[Path | str]) -> Iterator[tuple[bytes, str]]:
    """What stands in these files, with their names; of one that is too large, no more than shows that.

    A folder gives its *.yaml, *.yml and *.json files (sorted, not nested), and `-` is the standard input.
    """
    given = [Path(path) for path in paths]
    if given.count(Path(_STDIN)) > 1:
        raise ResourceError("- (the standard input) can be read once only: name it once")
    for path in given:
        if path == Path(_STDIN):
            yield _stdin(), "<stdin>"
            continue
        for file in _files(path):
            yield _bytes(file), str(file)


def _files(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml", ".json") and file.is_file())
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not found:
        raise ResourceError(f"{path}: this folder holds no *.yaml, *.yml or *.json file")
    return found


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from None


def _stdin() -> bytes:
    try:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    except (OSError, ValueError, AttributeError) as error:
        raise _unreadable(Path(_STDIN), error) from None
    if not content:
        raise ResourceError("-: the standard input is empty")
    return content


def _unreadable(path: Path, error: Exception) -> ResourceError:
    return ResourceError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")
