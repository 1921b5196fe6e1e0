"""The API server's words about a resource, with the file and line that they are about; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from meshtest.resources.document import Path
from meshtest.resources.problem import Problem
from meshtest.resources.resource import Resource

_STEP = re.compile(r"\[(\d+)\]|\[([^\]]*)\]|([^.\[\]]+)")
_UNKNOWN = re.compile(r'unknown field "([^"]+)"')
_DENIED = re.compile(r"admission webhook|ValidatingAdmissionPolicy")


def concerns_resource(status: int, said: str) -> bool:
    """Whether a refusal is about what a resource says, and not about rights, quotas or the server's troubles."""
    return status in (400, 422) or bool(status < 500 and _DENIED.search(said))


def problems(resource: Resource, said: str, causes: Sequence[Mapping[str, str]]) -> Iterator[Problem]:
    """What is wrong with it, field by field as far as the server says."""
    named = [(each.get("field") or "", each.get("message") or said) for each in causes]
    found = [(field, message) for field, message in named if field and not field.startswith("<")]
    found = found or [(field, "the API server knows no such field") for field in _UNKNOWN.findall(said)]
    for field, message in found or [("spec", said)]:
        yield Problem(resource, path(field), message)


def path(field: str) -> Path:
    """A field as the API server writes it, as `spec.http[0].route`."""
    return tuple(int(index) if index else key or name for index, key, name in _STEP.findall(field))
