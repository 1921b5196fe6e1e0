"""What a scalar of YAML means to Kubernetes, which reads YAML as Go's `sigs.k8s.io/yaml` does.

YAML 1.1 words for booleans (`y`, `yes`, `on`), octal `017` and `0o17`, `1e3` a number; but no dates and no base-60 integers.
"""

from __future__ import annotations

import re
from typing import Any

_WORDS: dict[str, Any] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= {each: True for word in ("y", "yes", "true", "on") for each in (word, word.title(), word.upper())}
_WORDS |= {each: False for word in ("n", "no", "false", "off") for each in (word, word.title(), word.upper())}
_WORDS |= {f"{sign}.{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")}
_WORDS |= {f".{word}": float("nan") for word in ("nan", "NaN", "NAN")}

_INTEGER = re.compile(
    r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_LEAST, _MOST = -(2**63), 2**64 - 1
_LONGEST = 400  # characters of a number; float() and int() stay quick


def resolved(text: str) -> Any:
    """The value of a plain scalar without a tag: None, a bool, an int, a float, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > _LONGEST:
        return text
    plain = text if text[0] == "." else text.replace("_", "")
    if whole := _INTEGER.fullmatch(plain):
        base = whole.lastgroup or "dec"
        value = int(whole[base], _BASES[base]) * (-1 if plain[0] == "-" else 1)
        if _LEAST <= value <= _MOST:
            return value
    if _FLOAT.fullmatch(plain) and abs(number := float(plain)) != float("inf"):
        return number
    return text


def as_key(value: Any) -> str | None:
    """A resolved key as JSON has it, a text; None for a key that JSON cannot have."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
