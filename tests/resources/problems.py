"""What is wrong with resources given as text, for the tests of each kind."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from meshtest.errors import ResourceError
from meshtest.resources.manifest import check, examine, read_text
from meshtest.resources.problem import WrongResources


def resource(kind: str, spec: str, name: str = "it", version: str = "networking.istio.io/v1") -> str:
    """The YAML of one resource with this spec; the spec begins on line 5."""
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{textwrap.indent(spec, '  ')}\n"


def spec(text: str) -> Mapping[str, Any]:
    """The checked spec of the only resource in a text."""
    (found,) = check(read_text(text, "f.yaml"))
    return found.spec


def problems(text: str) -> list[str]:
    """What is said against a text, without its file: `LINE: Kind namespace/name path: message`; nothing if all is well."""
    try:
        check(read_text(text, "f.yaml"))
    except ResourceError as error:
        return [line.removeprefix("f.yaml:") for line in str(error).splitlines()]
    return []


def refused(text: str) -> list[str]:
    """The fields that are right but not implemented, if that is all that is wrong."""
    try:
        check(read_text(text, "f.yaml"))
    except WrongResources as error:
        return [problem.field for problem in error.problems if error.unsupported]
    return []


def wrong(text: str) -> list[str]:
    """What is wrong in a text; what is right but not implemented does not count."""
    _, found = examine(read_text(text, "f.yaml"))
    return [str(problem).removeprefix("f.yaml:") for problem in found if not problem.unsupported]
