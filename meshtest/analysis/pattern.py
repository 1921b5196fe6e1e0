"""Sets of texts, as StringMatches and regular expressions describe them, and which of them contains which.

Sound, not complete: `contains` and `apart` say yes only where it is certain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

ANY, SET, PREFIX, REGEX = "any", "set", "prefix", "regex"
_MOST_VALUES = 64
_META = set(".^$*+?()[]{}|\\")


@dataclass(frozen=True)
class Pattern:
    """All texts; some (`values`); those that begin with `text`; or those that the expression `text` matches as a whole.

    `stem` is what each text begins with, of a regular expression. `folded` patterns are in small letters and ignore case.
    """

    kind: str
    text: str = ""
    values: frozenset[str] = frozenset()
    stem: str = ""
    folded: bool = False

    def has(self, text: str, anycase: bool = False) -> bool:
        """Whether the text is certainly in the set; with `anycase` each way of writing it."""
        if anycase and not self.folded and text.lower() != text.upper():
            return self.kind == ANY
        own = text.lower() if self.folded else text
        if self.kind == SET:
            return own in self.values
        if self.kind == PREFIX:
            return own.startswith(self.text)
        return self.kind == ANY or _fullmatch(self.text, text) is True

    def lacks(self, text: str) -> bool:
        """Whether the text is certainly not in the set."""
        if self.kind == REGEX:
            return not text.startswith(self.stem) or _fullmatch(self.text, text) is False
        return not self.has(text)

    def contains(self, other: Pattern) -> bool:
        """Whether each text of the other is certainly one of this."""
        if self.kind == ANY or self == other:
            return True
        if other.kind == SET:
            return all(self.has(each, other.folded) for each in other.values)
        if other.kind == ANY:
            return False
        begin = other.text if other.kind == PREFIX else other.stem
        if self.kind == PREFIX:
            return self.has(begin, other.folded)
        # What matches a beginning, and then anything, matches each text that begins so.
        return (
            self.kind == REGEX and self.text.endswith(".*") and _open_end(self.text) and self.has(begin, other.folded)
        )

    def apart(self, other: Pattern) -> bool:
        """Whether the two certainly have no text in common."""
        if self.folded or other.folded or ANY in (self.kind, other.kind):
            return False
        if other.kind == SET:
            return all(self.lacks(each) for each in other.values)
        if self.kind == SET:
            return other.apart(self)
        mine, its = self.text if self.kind == PREFIX else self.stem, other.text if other.kind == PREFIX else other.stem
        return not mine.startswith(its) and not its.startswith(mine)


EVERY = Pattern(ANY)


def one_of(*values: str) -> Pattern:
    """These texts."""
    return Pattern(SET, values=frozenset(values))


def pattern(match: Mapping[str, str], ignore_case: bool = False) -> Pattern:
    """The texts that a StringMatch takes; an empty one takes each."""
    if "exact" in match:
        return Pattern(
            SET, values=frozenset({match["exact"].lower() if ignore_case else match["exact"]}), folded=ignore_case
        )
    if match.get("regex"):
        return regex(match["regex"])
    if match.get("prefix"):
        return Pattern(PREFIX, match["prefix"].lower() if ignore_case else match["prefix"], folded=ignore_case)
    return EVERY


def path(match: Mapping[str, str] | None, ignore_case: bool = False) -> Pattern:
    """The paths that a match takes: each begins with `/`, so that the prefix `/` takes them all."""
    found = pattern(match or {}, ignore_case)
    return (
        EVERY
        if (found.kind == PREFIX and found.text == "/") or (found.kind == REGEX and found.text == "/.*")
        else found
    )


@lru_cache(maxsize=4096)
def regex(text: str) -> Pattern:
    """What a regular expression matches as a whole, in a simpler form where it has one."""
    inner = text.removeprefix("^")
    if inner.endswith("$") and not inner.endswith("\\$"):
        inner = inner[:-1]
    if inner in (".*", "*", "(.*)"):  # `*` is no regular expression; Istio takes it for any value
        return EVERY
    if inner != text and _alternatives(inner):
        inner = text  # the anchors may belong to the first and last alternative only
    literal, rest = _literal(inner)
    if not rest:
        return one_of(literal)
    if rest == ".*":
        return Pattern(PREFIX, literal)
    if values := _values(literal, rest):
        return Pattern(SET, values=values)
    return Pattern(REGEX, inner, stem="" if _alternatives(inner) or "(?" in inner[:2] else literal)


def _literal(text: str) -> tuple[str, str]:
    """The literal text that an expression begins with, and what follows."""
    out: list[str] = []
    at = 0
    while at < len(text):
        step = 2 if text[at] == "\\" else 1
        character = text[at + 1 : at + 2] if step == 2 else text[at]
        if (step == 1 and character in _META) or (step == 2 and (character.isalnum() or not character)):
            break
        if text[at + step : at + step + 1] in ("*", "?", "{", "+"):
            break  # it is repeated, and may be missing
        out.append(character)
        at += step
    return "".join(out), text[at:]


def _alternatives(text: str) -> bool:
    """Whether a `|` stands outside of groups and classes; in doubt, yes."""
    depth, inside, at = 0, False, 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            at += 1
        elif inside:
            inside = character != "]"
        elif character == "[":
            inside = True
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "|" and depth <= 0:
            return True
        at += 1
    return "\\Q" in text


def _values(literal: str, rest: str) -> frozenset[str]:
    """The texts of `literal(a|b|c)literal` or `a|b|c`; none where it is not of this form."""
    group = re.fullmatch(r"\((?:\?:)?([^()\[\]]*)\)(.*)", rest)
    if group:
        end, more = _literal(group[2])
        parts = group[1].split("|")
    else:
        end, more, parts = "", "", (literal + rest).split("|")
        literal = ""
    found = [_literal(part) for part in parts]
    if more or any(left for _, left in found) or len(found) > _MOST_VALUES or len(found) < 2 - bool(group):
        return frozenset()
    return frozenset(f"{literal}{part}{end}" for part, _ in found)


def _open_end(text: str) -> bool:
    """Whether the `.*` at the end of an expression follows everything before it."""
    return not _alternatives(text) and not text.endswith("\\.*") and "(?" not in text.replace("(?:", "")


# What Python's `re` reads as RE2 does; no repeated groups, and few repetitions, so that it stays quick.
_COMMON = re.compile(
    r"(?:[^\\\[\]{}]|\\[.\-/+*?()|\[\]{}^$dwsDWS]|\[\^?(?:[^\\\[\]]|\\[.\-/dws])+\]|\{[0-9]{1,2}(?:,[0-9]{0,2})?\})*"
)


@lru_cache(maxsize=1024)
def _compiled(text: str) -> re.Pattern[str] | None:
    if len(text) > 200 or not _COMMON.fullmatch(text) or re.search(r"\)[*+{]", text) or "(?" in text.replace("(?:", ""):
        return None
    if len(re.findall(r"[*+]|,\}", text)) > 2:
        return None
    try:
        return re.compile(text, re.ASCII)
    except re.error:
        return None


def _fullmatch(text: str, value: str) -> bool | None:
    compiled = _compiled(text) if len(value) <= 300 else None
    return None if compiled is None else compiled.fullmatch(value) is not None
