"""Patterns for texts: exact, prefix or regex (`StringMatch`)."""

from __future__ import annotations

from meshtest.resources.regular_expression import regular_expression
from meshtest.resources.schema import TEXT, Message, Text

KINDS_OF_MATCH = ("exact", "prefix", "regex")
REGEX = Text(regular_expression)
# A header's pattern of `*` is no regular expression, but stands for "any value" where its absence is asked for.
_REGEX_OR_STAR = Text(lambda text: None if text == "*" else regular_expression(text))
_PREFIX = Text(
    lambda text: None if text else "must not be empty: every value starts with it; write {} to ask for mere presence"
)

URI_MATCH = Message({"exact": TEXT, "prefix": TEXT, "regex": REGEX}, one_of=(KINDS_OF_MATCH,), form="{exact: /login}")
STRING_MATCH = Message(
    {"exact": TEXT, "prefix": _PREFIX, "regex": REGEX}, one_of=(KINDS_OF_MATCH,), form="{exact: jason}"
)
ABSENT_MATCH = Message(
    {"exact": TEXT, "prefix": _PREFIX, "regex": _REGEX_OR_STAR}, one_of=(KINDS_OF_MATCH,), form="{exact: jason}"
)
