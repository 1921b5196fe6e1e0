"""Expressions of the Common Expression Language, by their grammar only (https://github.com/google/cel-spec, langdef.md)."""

from __future__ import annotations

import re

_DEEPEST = 200
_TOKEN = re.compile(
    r"""(?:[ \t\r\n\f]|//[^\n]*)*(?:
    (?P<string>[bB]?[rR]?(?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|\"(?:[^\"\\\n\r]|\\.)*\"|'(?:[^'\\\n\r]|\\.)*'))
    |(?P<number>0x[0-9a-fA-F]+[uU]?|(?:[0-9]+\.[0-9]+|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+[uU]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]{}])
    |(?P<end>\Z))""",
    re.VERBOSE | re.ASCII,
)
_BINARY = ("&&", "||", "<", "<=", ">", ">=", "==", "!=", "in", "+", "-", "*", "/", "%")
_RESERVED = (
    *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package"),
    *("namespace", "return", "var", "void", "while", "in"),
)


class _Wrong(Exception):
    pass


def expression(text: str) -> str | None:
    """What keeps `text` from being an expression of CEL; None if nothing does."""
    try:
        _Parser(text).parse()
    except _Wrong as wrong:
        return f"is no expression of CEL: {wrong}, in {text[:60]!r}"
    return None


class _Parser:
    """Goes over an expression once, from the left."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.field = False  # whether the operand just read ends with a field, `a.b`
        self.kind = self.token = ""
        self.step()

    def parse(self) -> None:
        self.whole()
        if self.kind != "end":
            raise _Wrong(f"{self.token!r} is not expected here")

    def step(self) -> str:
        """Goes to the next token; comes back with the one before."""
        before = self.token
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            raise _Wrong(f"{self.text[self.at :].strip()[:10]!r} is not understood")
        self.at, self.kind = found.end(), found.lastgroup or ""
        self.token = found[self.kind]
        return before

    def sign(self, sign: str) -> bool:
        """Steps over a sign if it stands here."""
        here = self.kind == "sign" and self.token == sign
        if here:
            self.step()
        return here

    def expect(self, sign: str) -> None:
        if not self.sign(sign):
            raise _Wrong(f"a {sign!r} is missing" + (f" before {self.token!r}" if self.token else ""))

    def name(self) -> str:
        if self.kind != "name":
            raise _Wrong(f"a name is missing before {self.token!r}" if self.token else "it ends too early")
        return self.step()

    def whole(self) -> None:
        """Operands with signs between them, perhaps the condition of `? :`."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _Wrong("it nests too deeply")
        self.operand()
        field = self.field
        while self.token in _BINARY and self.kind in ("sign", "name"):
            self.step()
            self.operand()
            field = False
        if self.sign("?"):
            self.whole()
            self.expect(":")
            self.whole()
            field = False
        self.field = field
        self.depth -= 1

    def operand(self) -> None:
        for sign in ("!", "-"):
            if self.sign(sign):
                while self.sign(sign):
                    pass
                break
        self.field, names = False, self.primary()
        while True:
            if self.sign("."):
                self.name()
                self.field = not self.sign("(")
                if not self.field:
                    self.items(")")
            elif self.sign("["):
                self.whole()
                self.expect("]")
                self.field = False
            elif names and self.sign("{"):
                self.pairs()
                self.field = False
            else:
                return
            names = names and self.field

    def primary(self) -> bool:
        """What stands between signs; says whether it is a name, which may begin the name of a message."""
        if self.kind in ("string", "number"):
            self.step()
        elif self.sign("("):
            self.whole()
            self.expect(")")
        elif self.sign("["):
            self.items("]")
        elif self.sign("{"):
            self.pairs()
        else:
            self.sign(".")
            return self.named()
        return False

    def named(self) -> bool:
        """A name; says whether it is not called."""
        if (name := self.name()) in _RESERVED:
            raise _Wrong(f"{name!r} is a reserved word")
        if not self.sign("("):
            return True
        given = self.items(")")
        if name == "has" and given == 1 and not self.field:
            raise _Wrong("has() takes a field, as in has(request.time)")
        return False

    def items(self, end: str) -> int:
        """Expressions with commas between them; comes back with their number."""
        given = 0
        while not self.sign(end):
            self.whole()
            given += 1
            if not self.sign(","):
                self.expect(end)
                break
        return given

    def pairs(self) -> None:
        while not self.sign("}"):
            self.whole()
            self.expect(":")
            self.whole()
            if not self.sign(","):
                self.expect("}")
                return
