"""The `metadata` of Kubernetes objects (`ObjectMeta`), as an API server checks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.schema import TEXT, ListOf, MapOf, Message, Report, Text, Type, Whole

_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_NAMESPACE = re.compile("[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")


def _label_key(text: str) -> str | None:
    domain, slash, last = text.rpartition("/")
    if _NAME.fullmatch(last) and len(last) <= 63 and (not slash or name.object_name(domain) is None):
        return None
    return (
        f"must be up to 63 letters, digits, `-`, `_` and `.`, perhaps with a domain and / before them; this is {text!r}"
    )


def _annotation_key(text: str) -> str | None:
    """As a label's, but the domain may have capital letters."""
    return _label_key(text) and _label_key(text.lower())


def _label_value(text: str) -> str | None:
    if not text or (_NAME.fullmatch(text) and len(text) <= 63):
        return None
    return f"must be up to 63 letters and digits, with `-`, `_` and `.` between them; this is {text!r}"


def _namespace(text: str) -> str | None:
    if not text or (_NAMESPACE.fullmatch(text) and len(text) <= 63):
        return None
    return f"must be up to 63 small letters and digits, with `-` between them; this is {text!r}"


class _TextOrNull:
    """A text; null is an empty one."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def read(self, value: Any, path: Path, report: Report) -> Any:
        """Check `value`; what is wrong goes to `report`."""
        return "" if value is None else self._text.read(value, path, report)


_ANYTHING = Message({}, closed=False)
_FIELDS: Mapping[str, Type] = {
    "name": Text(name.object_name),
    "generateName": TEXT,
    "namespace": Text(_namespace),
    "labels": MapOf(_TextOrNull(TEXT)),
    "annotations": MapOf(_TextOrNull(TEXT)),
    "finalizers": ListOf(TEXT),
    "ownerReferences": ListOf(_ANYTHING),
    # What a cluster adds; it stands in objects that were taken from one.
    "selfLink": TEXT,
    "uid": TEXT,
    "resourceVersion": TEXT,
    "generation": Whole(0, 2**63 - 1),
    "creationTimestamp": TEXT,
    "deletionTimestamp": TEXT,
    "deletionGracePeriodSeconds": Whole(0, 2**63 - 1),
    "managedFields": ListOf(_ANYTHING),
}

# Of what exists in a mesh, and of what is to be put into it: the latter to the letter.
METADATA = Message(_FIELDS, nullable=tuple(_FIELDS), closed=False)
STRICT_METADATA = replace(
    METADATA,
    fields={
        **_FIELDS,
        "labels": MapOf(_TextOrNull(Text(_label_value)), _label_key),
        "annotations": MapOf(_TextOrNull(TEXT), _annotation_key),
    },
    closed=True,
)
