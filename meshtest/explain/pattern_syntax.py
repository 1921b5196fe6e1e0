"""What RE2 reads out of the text of a regular expression (`re2/parse.cc`), as a tree."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Test = Callable[[str], bool]


@dataclass(frozen=True)
class Character:
    """One character that passes a test."""

    test: Test


@dataclass(frozen=True)
class Place:
    """A place between characters."""

    holds: Callable[[str, int], bool]


@dataclass(frozen=True)
class Row:
    """All of these, one behind the other."""

    nodes: Sequence[Node]


@dataclass(frozen=True)
class Any:
    """One of these, the first preferred."""

    nodes: Sequence[Node]


@dataclass(frozen=True)
class Repeat:
    """As often as from `least` to `most` times (None for any number); `greedy` prefers more."""

    node: Node
    least: int
    most: int | None
    greedy: bool


@dataclass(frozen=True)
class Group:
    """A group that is captured."""

    number: int
    inside: Node


Node = Character | Place | Row | Any | Repeat | Group

_REPEAT = re.compile(r"(?:[*+?]|\{(?P<least>0|[1-9][0-9]*)(?P<more>,(?P<most>0|[1-9][0-9]*)?)?\})(?P<lazy>\??)")
_OPEN = re.compile(r"\((?:\?P?<[A-Za-z0-9_]+>|\?(?P<on>[imsU]*)(?:-(?P<off>[imsU]+))?(?P<end>[:)]))?")
_CODE = re.compile(r"\\(?:x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]+)\})|([1-7][0-7]{1,2}|0[0-7]{0,2}))")
_UNICODE = re.compile(r"\\(?P<kind>[pP])(?:\{(?P<not>\^?)(?P<name>[A-Za-z_]+)\}|(?P<letter>[CLMNPSZ]))")
_POSIX = re.compile(r"\[:(\^?)([a-z]+):\]")
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CATEGORY = re.compile(r"(?:Any|[CLMNPSZ][a-z]?)")


def parsed(text: str) -> Node:
    """The tree of a pattern; LookupError if it names something that only Unicode's tables know."""
    return _Parser(text).alternatives()


def _word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


_PERL: dict[str, Test] = {"d": lambda c: "0" <= c <= "9", "s": lambda c: c in "\t\n\f\r ", "w": _word}
_CLASSES: dict[str, Test] = {
    "alnum": lambda c: c.isascii() and c.isalnum(),
    "alpha": lambda c: c.isascii() and c.isalpha(),
    "ascii": str.isascii,
    "blank": lambda c: c in "\t ",
    "cntrl": lambda c: c < " " or c == "\x7f",
    "digit": _PERL["d"],
    "graph": lambda c: "!" <= c <= "~",
    "lower": lambda c: "a" <= c <= "z",
    "print": lambda c: " " <= c <= "~",
    "punct": lambda c: "!" <= c <= "~" and not c.isalnum(),
    "space": lambda c: c in "\t\n\v\f\r ",
    "upper": lambda c: "A" <= c <= "Z",
    "word": _word,
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
}


def _begin(_: str, at: int) -> bool:
    return at == 0


def _end(text: str, at: int) -> bool:
    return at == len(text)


def _line_begin(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] == "\n"


def _line_end(text: str, at: int) -> bool:
    return at == len(text) or text[at] == "\n"


def _boundary(text: str, at: int) -> bool:
    return (at > 0 and _word(text[at - 1])) != (at < len(text) and _word(text[at]))


_PLACES: dict[str, Callable[[str, int], bool]] = {
    "A": _begin,
    "z": _end,
    "b": _boundary,
    "B": lambda text, at: not _boundary(text, at),
}


def _negated(test: Test) -> Test:
    return lambda character: not test(character)


def _same(wanted: str) -> Test:
    return lambda character: character == wanted


def _between(low: str, high: str) -> Test:
    return lambda character: low <= character <= high


def _any_of(tests: Sequence[Test]) -> Test:
    return lambda character: any(test(character) for test in tests)


def _folded(test: Test) -> Test:
    def either(character: str) -> bool:
        lower, upper = character.lower(), character.upper()
        forms = {character, lower, upper, upper.lower(), lower.upper()}
        return any(len(form) == 1 and test(form) for form in forms)

    return either


def _category(name: str) -> Test:
    if not _CATEGORY.fullmatch(name):
        raise LookupError(f"the script {name}")
    return (lambda _: True) if name == "Any" else (lambda c: unicodedata.category(c).startswith(name))


class _Parser:
    """Reads a pattern from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.flags: set[str] = set()
        self.groups = 0

    def alternatives(self) -> Node:
        flags = self.flags.copy()
        found = [self._row()]
        while self.text.startswith("|", self.at):
            self.at += 1
            found.append(self._row())
        self.flags = flags  # what is set within a group ends with it
        return found[0] if len(found) == 1 else Any(found)

    def _row(self) -> Node:
        nodes: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if nodes and (found := self._take(_REPEAT)):
                nodes[-1] = self._repeated(nodes[-1], found)
            elif self.text.startswith("\\Q", self.at):
                nodes += self._quoted()
            elif self.text[self.at] == "(":
                nodes += self._group()
            else:
                nodes.append(self._one())
        return Row(nodes)

    def _take(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        found = expression.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def _repeated(self, node: Node, found: re.Match[str]) -> Repeat:
        greedy = bool(found["lazy"]) == ("U" in self.flags)
        if found["least"] is None:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[found[0][0]]
            return Repeat(node, least, most, greedy)
        least = int(found["least"])
        most = least if not found["more"] else int(found["most"]) if found["most"] else None
        return Repeat(node, least, most, greedy)

    def _quoted(self) -> list[Node]:
        end = self.text.find("\\E", self.at)
        quoted = self.text[self.at + 2 : end if end >= 0 else None]
        self.at = end + 2 if end >= 0 else len(self.text)
        return [self._character(_same(each)) for each in quoted]

    def _group(self) -> list[Node]:
        found = self._take(_OPEN)
        assert found
        if found["end"] == ")":
            self._set(found)
            return []
        captured = found["end"] is None
        if captured:
            self.groups += 1
        number, flags = self.groups, self.flags.copy()
        if not captured:
            self._set(found)
        inside = self.alternatives()
        self.flags = flags
        self.at += 1
        return [Group(number, inside) if captured else Row([inside])]

    def _set(self, found: re.Match[str]) -> None:
        self.flags = (self.flags | set(found["on"])) - set(found["off"] or "")

    def _character(self, test: Test) -> Character:
        return Character(_folded(test) if "i" in self.flags else test)

    def _one(self) -> Node:
        character = self.text[self.at]
        if character == "[":
            return self._bracket()
        if character == "\\":
            return self._escape()
        self.at += 1
        if character == ".":
            return Character((lambda _: True) if "s" in self.flags else (lambda c: c != "\n"))
        if character == "^":
            return Place(_line_begin if "m" in self.flags else _begin)
        if character == "$":
            return Place(_line_end if "m" in self.flags else _end)
        return self._character(_same(character))

    def _escape(self) -> Node:
        follows = self.text[self.at + 1]
        if follows in _PLACES:
            self.at += 2
            return Place(_PLACES[follows])
        if test := self._class():
            return self._character(test)
        return self._character(_same(self._code()))

    def _class(self) -> Test | None:
        """The class that an escape names, if it does."""
        if found := self._take(_UNICODE):
            test = _category(found["name"] or found["letter"])
            return _negated(test) if (found["kind"] == "P") != bool(found["not"]) else test
        follows = self.text[self.at + 1]
        if follows.lower() not in _PERL:
            return None
        self.at += 2
        test = _PERL[follows.lower()]
        return test if follows.islower() else _negated(test)

    def _code(self) -> str:
        """The one character that an escape stands for."""
        if found := self._take(_CODE):
            return chr(int(found[1] or found[2], 16) if found[3] is None else int(found[3], 8))
        follows = self.text[self.at + 1]
        self.at += 2
        return _CONTROLS.get(follows, follows)

    def _bracket(self) -> Node:
        negative = self.text.startswith("[^", self.at)
        self.at += 2 if negative else 1
        tests = [self._member()]
        while self.text[self.at] != "]":
            tests.append(self._member())
        self.at += 1
        test = _any_of(tests)
        if "i" in self.flags:
            test = _folded(test)
        return Character(_negated(test) if negative else test)

    def _member(self) -> Test:
        if found := self._take(_POSIX):
            return _negated(_CLASSES[found[2]]) if found[1] else _CLASSES[found[2]]
        if self.text[self.at] == "\\" and (test := self._class()):
            return test
        low = self._single()
        if self.text[self.at] != "-" or self.text[self.at + 1] == "]":
            return _same(low)
        self.at += 1
        return _between(low, self._single())

    def _single(self) -> str:
        if self.text[self.at] == "\\":
            return self._code()
        self.at += 1
        return self.text[self.at - 1]
