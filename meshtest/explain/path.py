"""A request's path as Envoy sees it before it looks for a route (`normalize_path`; `source/common/http/path_utility.cc`, googleurl)."""

from __future__ import annotations

import re
import string

_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_ESCAPED = frozenset('"<>^`{|}')
# Not what HTTP allows on a request line; and a path that holds a zero byte, or a fragment, is refused.
_REFUSED = re.compile(r"[^\x21-\x7e]|#")
_PARAMETERS = re.compile(r"(?<=/)(\.\.?);[^/]*")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_DOT = r"(?:\.|%2[eE])"
_UP, _HERE = re.compile(rf"{_DOT}{_DOT}(?:[/\\]|$)"), re.compile(rf"{_DOT}(?:[/\\]|$)")


def normalized(target: str) -> str | None:
    """The path (and query) of a request's target; None where Envoy answers 400.

    Dot segments are resolved, with their parameters (`/a/..;x/b` is `/b`); escapes of letters, digits and `-._~` are decoded, all
    others stay as they are, slashes too; `\\` is a slash. The query is not looked at.
    """
    if not target.startswith("/") or _REFUSED.search(target):
        return None
    path, mark, query = target.partition("?")
    found = _Canonical(_PARAMETERS.sub(r"\1", path)).path()
    return None if found is None else f"{found}{mark}{query}"


class _Canonical:
    """Walks over a path once, as `url::CanonicalizePath` does."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.out = text, 0, ""
        self.percent = -1  # where the last `%` stands that begins no escape

    def path(self) -> str | None:
        while self.at < len(self.text):
            if not self._dots() and not self._escape():
                if self.text.startswith("%00", self.at):
                    return None
                self._literal()
        return self.out

    def _dots(self) -> bool:
        if not self.out.endswith("/"):
            return False
        if found := _UP.match(self.text, self.at):
            self.out = self.out[: self.out.rfind("/", 0, -1) + 1] or "/"
        elif not (found := _HERE.match(self.text, self.at)):
            return False
        self.at = found.end()
        return True

    def _escape(self) -> bool:
        found = _PERCENT.match(self.text, self.at)
        if not found or found[1] == "00":
            return False
        self.at = found.end()
        character = chr(int(found[1], 16))
        if character in _UNRESERVED:
            self.out += character
            self._check_nested()
        else:
            self.out += found[0]
        return True

    def _check_nested(self) -> None:
        """What is decoded must not make an escape of a `%` before it: `%%41A` becomes `%25AA`."""
        behind = len(self.out) - self.percent
        looked_at = self.out + self.text[self.at : self.at + 1] if behind == 2 else self.out
        if self.percent >= 0 and behind in (2, 3) and _PERCENT.match(looked_at, self.percent):
            self.out = f"{self.out[: self.percent]}%25{self.out[self.percent + 1 :]}"

    def _literal(self) -> None:
        character = self.text[self.at]
        self.at += 1
        if character == "%":
            self.percent = len(self.out)
        if character == "\\":
            character = "/"
        self.out += f"%{ord(character):02X}" if character in _ESCAPED else character
