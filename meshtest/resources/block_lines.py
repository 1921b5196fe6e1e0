"""Lines of the fields of a document in plain block style, found without parsing it once more.

Most manifests are of this style, and YAML's events cost ten times as much. Whatever is not certain is left to the parser: block
scalars, scalars and collections over several lines, anchors, tags, quoted or odd keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Path = tuple[str | int, ...]

_LINE = re.compile(r"( *)((?:- +)*)(?:([A-Za-z_][A-Za-z0-9_./-]*):(?: +(\S.*))?|(\S.*))\Z")
_QUOTED = re.compile(r"""(?:"[^"\\]*"|'[^']*')(?: +#.*)?\Z""")
_FLOW = re.compile(r"(?:\{[^\[\]{}\"'#&*!|>]*\}|\[[^\[\]{}\"'#&*!|>]*\]|[\[{][^\"'#&*!|>]*[\]}])\Z")
_NOT_TEXT = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))  # keys that YAML reads otherwise


@dataclass(slots=True)
class _Open:
    """A collection that goes on: its column, its path, and the key or index of its latest entry; `full` if that has its value."""

    column: int
    path: Path
    latest: str | int
    full: bool


def block_lines(text: str) -> dict[Path, int] | None:
    """For each path into the document the line (from 1) of its key or item; those within a flow collection stand on its line.

    None where the text is not certainly of plain block style. It must be a document that the parser has taken.
    """
    lines: dict[Path, int] = {}
    opened: list[_Open] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.isspace() or line.lstrip().startswith("#") or line in ("---", "..."):
            continue
        found = _LINE.match(line)
        if found is None:
            return None
        spaces, dashes, key, value, scalar = found.groups()
        column = len(spaces)
        for dash in re.findall("- +", dashes):
            if not _item(opened, column):
                return None
            lines[(*opened[-1].path, opened[-1].latest)] = number
            column += len(dash)
        if key is None:
            if not dashes or not _simple(scalar):
                return None
            opened[-1].full = True
            continue
        bare = value is None or value.startswith("#")
        if key.lower() in _NOT_TEXT or not (bare or _simple(value)) or not _key(opened, column, key):
            return None
        opened[-1].full = not bare
        lines.setdefault((), number)
        lines[(*opened[-1].path, key)] = number
    return lines if () in lines else None


def _item(opened: list[_Open], column: int) -> bool:
    """Go on with the list of this column, or begin it below the latest entry; whether this can be."""
    while opened and opened[-1].column > column:
        opened.pop()
    if not opened:
        return False
    top = opened[-1]
    if top.column == column and isinstance(top.latest, int):
        top.latest += 1
        top.full = False
        return True
    if top.full:
        return False
    opened.append(_Open(column, (*top.path, top.latest), 0, full=False))
    return True


def _key(opened: list[_Open], column: int, key: str) -> bool:
    """Go on with the mapping of this column, or begin it below the latest entry; whether this can be."""
    while opened and (
        opened[-1].column > column or (opened[-1].column == column and isinstance(opened[-1].latest, int))
    ):
        opened.pop()
    if opened and opened[-1].column == column:
        opened[-1].latest = key
        return True
    if opened and opened[-1].full:
        return False
    path = (*opened[-1].path, opened[-1].latest) if opened else ()
    opened.append(_Open(column, path, key, full=False))
    return True


def _simple(value: str) -> bool:
    """Whether a value ends on its line."""
    first = value[0]
    if first in "\"'":
        return bool(_QUOTED.match(value))
    if first in "{[":
        flat = value.rstrip()
        return bool(_FLOW.match(flat)) and flat.count("{") == flat.count("}") and flat.count("[") == flat.count("]")
    return first not in "&*!|>%@`?"
