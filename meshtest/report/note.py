"""What the process that runs a test knows of it, and its reports must say: it travels with pytest's report, also under pytest-xdist."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from meshtest.fixtures import Mesh
    from meshtest.resources.resource import Resource

ATTRIBUTE = "meshtest"
"""Of a report: plain data, which pytest-xdist carries as it stands (`pytest_report_to_serializable`); JUnit does not show it."""


_HOME = "meshtest.fixtures"


def mesh_of(item: pytest.Item) -> Mesh | None:
    """The mesh that a test has; None as long as it has none. Others may call something else `mesh`: a fixture, a parameter."""
    found: Any = (getattr(item, "funcargs", None) or {}).get("mesh")
    return found if type(found).__module__ == _HOME else None


def uses_mesh(item: pytest.Item) -> bool:
    """Whether a test has a mesh, or is going to have one."""
    fixtures = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).get("mesh")
    return mesh_of(item) is not None or bool(fixtures and getattr(fixtures[-1].func, "__module__", "") == _HOME)


def attach(item: pytest.Item, report: pytest.TestReport, folder: str) -> None:
    """Give the report what is known of the test so far, and where what was kept of a failure is; nothing without a mesh."""
    if uses_mesh(item):
        mesh = mesh_of(item)
        found = {"doc": _doc(item), **(_of_mesh(mesh) if mesh else {})}
        setattr(report, ATTRIBUTE, {**found, "folder": folder} if folder else found)


def _of_mesh(mesh: Any) -> dict[str, Any]:
    return {"policies": list(_policies(mesh.given)), "versions": dict(mesh.versions)}


def _doc(item: pytest.Item) -> str:
    return inspect.cleandoc(getattr(getattr(item, "function", None), "__doc__", None) or "")


def _policies(given: list[Resource]) -> Iterator[dict[str, Any]]:
    """Each once, in the order in which they were applied first."""
    from meshtest.measured import written

    told = set[tuple[str, int, str]]()
    for each in given:
        key = (each.file, each.line(), str(each))
        if key not in told:
            told.add(key)
            yield {"kind": each.kind, "name": str(each).partition(" ")[2], **_place(each), "text": written(each)}


def _place(resource: Resource) -> dict[str, Any]:
    """Where its text begins; what a test built begins in line 1."""
    document = resource.document
    return {"file": document.file, "line": document.first if document.text else 1}


def noted(report: Any) -> dict[str, Any] | None:
    """What a report was given; None for one of a test without a mesh."""
    found: dict[str, Any] | None = getattr(report, ATTRIBUTE, None)
    return found
