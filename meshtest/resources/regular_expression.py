"""Regular expressions as RE2 reads them (https://github.com/google/re2/wiki/Syntax), which Envoy uses and istiod checks with."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 1024  # bytes; istiod's limit

_REPEAT = re.compile(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}")
_GROUP_NAME = re.compile(r"\(\?P?<([A-Za-z0-9_]+)>")
_FLAGS = re.compile(r"\(\?(?!-?\))(?:[imsU]*|[imsU]*-[imsU]+)[:)]|\(\?\)")
_UNICODE = re.compile(r"\\[pP](?:\{\^?[A-Za-z_]+\}|[CLMNPSZ])")
_HEXADECIMAL = re.compile(r"\\x(?:[0-9a-fA-F]{2}|\{[0-9a-fA-F]+\})")
_OCTAL = re.compile(r"\\(?:[1-7][0-7]{1,2}|0[0-7]{0,2})")
_POSIX = (
    "alnum",
    "alpha",
    "ascii",
    "blank",
    "cntrl",
    "digit",
    "graph",
    "lower",
    "print",
    "punct",
    "space",
    "upper",
    "word",
    "xdigit",
)
_POSIX_CLASS = re.compile(rf"\[:\^?(?:{'|'.join(_POSIX)}):\]")


class _Wrong(Exception):
    pass


def regular_expression(text: str) -> str | None:
    """What keeps `text` from being a regular expression of RE2; None if nothing does."""
    if not text:
        return "must not be empty"
    if len(text.encode(errors="replace")) > LONGEST:
        return f"is longer than {LONGEST} bytes, which Istio does not allow"
    try:
        _Scanner(text).scan()
    except _Wrong as wrong:
        return f"is no regular expression of RE2, which Envoy uses: {wrong}, in {text!r}"
    return None


@dataclass
class _Scanner:
    """Walks over an expression once. `operand` says whether something stands here that can be repeated, `repeated` whether it just was."""

    text: str
    at: int = 0
    groups: int = 0
    operand: bool = False
    repeated: bool = False

    def __post_init__(self) -> None:
        self.names: set[str] = set()

    def scan(self) -> None:
        while self.at < len(self.text):
            again = self._repeats()
            if not again:
                self._one()
            self.repeated = again
        if self.groups:
            raise _Wrong("a `(` is never closed")

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def _repeats(self) -> bool:
        if self.text[self.at] in "*+?":
            operator, self.at = self.text[self.at], self.at + 1
        elif counted := self._take(_REPEAT):
            operator = counted[0]
            least, most = counted[1], counted[3]
            if max(_count(least), _count(most or "0")) > 1000 or (most and _count(least) > _count(most)):
                raise _Wrong(f"the repeat count of {operator} is over 1000, or its ends are exchanged")
        else:
            return False
        if not self.operand:
            raise _Wrong(f"nothing stands before {operator} to be repeated")
        if self.repeated:
            raise _Wrong(f"{operator} repeats a repetition")
        if self.text[self.at : self.at + 1] == "?":
            self.at += 1
        return True

    def _one(self) -> None:
        character = self.text[self.at]
        if character == "(":
            self._open()
        elif character == "[":
            self._bracket()
        elif character == "\\":
            self._escape(within=False)
        else:
            self.at += 1
            if character == ")":
                self._close()
            self.operand = character != "|"

    def _close(self) -> None:
        if not self.groups:
            raise _Wrong("a `)` closes nothing")
        self.groups -= 1

    def _open(self) -> None:
        if not self.text.startswith("(?", self.at):
            self.at += 1
            self.groups += 1
            self.operand = False
        elif named := self._take(_GROUP_NAME):
            if named[1] in self.names:
                raise _Wrong(f"two groups are named {named[1]}")
            self.names.add(named[1])
            self.groups += 1
            self.operand = False
        elif flags := self._take(_FLAGS):
            if flags[0].endswith(":"):
                self.groups += 1
                self.operand = False
        else:
            raise _Wrong(f"it knows no {self.text[self.at : self.at + 4]}{self._advice()}")

    def _advice(self) -> str:
        if self.text.startswith(("(?!", "(?=", "(?<!", "(?<="), self.at):
            return (
                " (there is no look-around; withoutHeaders, or a rule of its own before this one, does what it is for)"
            )
        return ""

    def _escape(self, within: bool) -> str:
        """Steps over an escape; comes back with the one character it stands for, or nothing."""
        follows = self.text[self.at + 1 : self.at + 2]
        if not follows:
            raise _Wrong("a `\\` stands at its end")
        if not within and follows == "Q":
            self._quoted()
            return ""
        self.operand = True
        for pattern in (_HEXADECIMAL, _OCTAL, _UNICODE):
            if found := self._take(pattern):
                return _character(found[0])
        known = "dswDSW" if within else "dswDSWAzbB"
        self.at += 2
        if follows in known:
            return ""
        if follows in "afnrtv":
            return {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}[follows]
        if follows.isascii() and not follows.isalnum():
            return follows
        what = "a back-reference" if follows.isdigit() else "an escape that it does not know"
        raise _Wrong(f"\\{follows} is {what}")

    def _quoted(self) -> None:
        """Steps over what stands between \\Q and \\E, literally."""
        begin = self.at + 2
        end = self.text.find("\\E", begin)
        self.operand |= end != begin and begin < len(self.text)
        self.at = len(self.text) if end < 0 else end + 2

    def _bracket(self) -> None:
        self.at += 2 if self.text.startswith("[^", self.at) else 1
        first = True
        while first or self.text[self.at : self.at + 1] != "]":
            first = False
            self._member()
        self.at += 1
        self.operand = True

    def _member(self) -> None:
        if self._take(_POSIX_CLASS):
            return
        if self.text.startswith("[:", self.at) and self.text.find(":]", self.at + 2) > 0:
            raise _Wrong(f"{self.text[self.at : self.text.find(':]', self.at) + 2]} is no class")
        low = self._single()
        dash = self.text[self.at : self.at + 1] == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", "")
        if not low or not dash:
            return
        self.at += 1
        high = self._single()
        if not high or high < low:
            raise _Wrong(f"the range {low}-{high} goes backwards, or ends in a class")

    def _single(self) -> str:
        character = self.text[self.at : self.at + 1]
        if not character:
            raise _Wrong("a `[` is never closed")
        if character == "\\":
            return self._escape(within=True)
        self.at += 1
        return character


def _count(digits: str) -> int:
    return int(digits[:9])


def _character(escape: str) -> str:
    """What a hexadecimal or octal escape stands for; nothing for a class."""
    if escape[1] in "pP":
        return ""
    number = int(escape[2:].strip("{}"), 16) if escape[1] == "x" else int(escape[1:], 8)
    if number > 0x10FFFF:
        raise _Wrong(f"{escape} is beyond Unicode")
    return chr(number)
