"""Values of headers that are set or added, in which Envoy puts what `%NAME%` or `%NAME(argument)%` stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping

_UNFIT = re.compile("[\x00-\x08\x0a-\x1f\x7f]")

# What follows on which character, by where one is; "" is any other. As `pkg/config/validation/header_value_validator.go`.
_STEPS: Mapping[str, Mapping[str, str]] = {
    "name": {"%": "literal", "(": "argument", "": "name"},
    "argument": {"[": "item", " ": "argument", "": "string"},
    "item": {'"': "string", " ": "item"},
    "string": {")": "end", '"': "delimiter", "": "string"},
    "delimiter": {",": "item", "]": "closing", " ": "delimiter"},
    "closing": {")": "end", " ": "closing"},
    "end": {"%": "literal", " ": "end"},
}


def header_value(text: str) -> str | None:
    """What keeps a text from being the value of a header; None if nothing does."""
    if _UNFIT.search(text):
        return f"holds a control character, which no header may; this is {text!r}"
    where, at = "literal", 0
    while at < len(text):
        character = text[at]
        if where == "literal":
            doubled = text.startswith("%%", at)
            where = "name" if character == "%" and not doubled else "literal"
            at += doubled
        elif where == "string" and character == "\\":
            at += 1
            if at == len(text):
                return f"ends with a `\\`; this is {text!r}"
        else:
            steps = _STEPS[where]
            where = steps.get(character, steps.get("", ""))
            if not where:
                return f'is not understood by Envoy from {text[at:]!r} on; it takes %NAME%, %NAME(x)% or %NAME(["x"])%'
        at += 1
    if where != "literal":
        return f"holds a single `%`: write %% for the sign itself, or %NAME% for what Envoy knows; this is {text!r}"
    return None
