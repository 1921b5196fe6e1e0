"""The runs of one test: with the manifest beside its module as it is, and with each mutant of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meshtest.errors import ResourceError
from meshtest.mutants.mutant import POINTS, Mutant, mutants
from meshtest.resources.manifest import is_istio, read_files

ORIGINAL = "original"
MARKER = "mesh_mutants"
_ARGUMENTS = {"points", "skip"}


@dataclass(frozen=True)
class Case:
    """What a run puts in the place of `manifest`: the mutant of this `id`, with shares moved by `points`; or nothing (`ORIGINAL`).

    `excuse` says why the test does not promise to notice it.
    """

    manifest: Path
    id: str = ORIGINAL
    points: float = POINTS
    sentence: str = ""
    where: str = ""
    excuse: str = ""

    @property
    def original(self) -> bool:
        """Whether the manifest stays as it is."""
        return self.id == ORIGINAL


def case_of(item: pytest.Item) -> Case | None:
    """The case that an item runs; None for a test that is not run for mutants."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("mesh") if callspec is not None else None
    return found if isinstance(found, Case) else None


def cases(metafunc: pytest.Metafunc) -> list[Case]:
    """The cases of a test, the original first; none without the fixture `mesh`, or a manifest of the module's stem beside it.

    Collection fails, with a sentence, for a manifest that is not understood and a marker that makes no sense.
    """
    module = Path(str(metafunc.module.__file__))
    manifest = next((file for end in (".yaml", ".yml") if (file := module.with_suffix(end)).is_file()), None)
    if manifest is None or "mesh" not in metafunc.fixturenames:
        return []
    points, excuses = _promise(metafunc.definition)
    try:
        resources = [each for each in read_files([_from_here(manifest)]) if is_istio(each)]
        found = list(mutants(resources, points))
    except (ResourceError, ValueError) as error:
        raise pytest.Collector.CollectError(str(error)) from None
    _check(excuses, found, metafunc.definition.nodeid)
    return [Case(manifest), *(_case(manifest, points, each, excuses) for each in found)]


def _case(manifest: Path, points: float, mutant: Mutant, excuses: Mapping[str, str]) -> Case:
    excuse = next((why for pattern, why in excuses.items() if _fits(pattern, mutant.id)), "")
    return Case(manifest, mutant.id, points, mutant.sentence, mutant.where, excuse)


def _promise(definition: pytest.Item) -> tuple[float, dict[str, str]]:
    """The points of the nearest marker that has them, and what all of them excuse."""
    points, excuses = POINTS, {}
    for marker in reversed([*definition.iter_markers(MARKER)]):
        _check_arguments(marker)
        points = marker.kwargs.get("points", points)
        excuses.update(marker.kwargs.get("skip", {}))
    return points, excuses


def _check_arguments(marker: pytest.Mark) -> None:
    skip: Any = marker.kwargs.get("skip", {})
    points = marker.kwargs.get("points", POINTS)
    reasons = isinstance(skip, dict) and all(isinstance(why, str) and why.strip() for why in skip.values())
    number = isinstance(points, int | float) and not isinstance(points, bool)
    if marker.args or marker.kwargs.keys() - _ARGUMENTS or not reasons or not number:
        raise pytest.Collector.CollectError(
            f"mark.{MARKER}: give it points=NUMBER (by how many percentage points shares are moved) "
            'and skip={"pattern of ids": "why the test need not notice"}'
        )


def _check(excuses: Mapping[str, str], found: list[Mutant], test: str) -> None:
    """An excuse for what is no mutant has outlived it."""
    for pattern in excuses:
        if not any(_fits(pattern, each.id) for each in found):
            raise pytest.Collector.CollectError(
                f"{test}: mark.{MARKER}(skip=...): no mutant fits {pattern!r}; take it away, or look up the ids "
                f"(pytest --mesh-mutants --collect-only -q)"
            )


def _fits(pattern: str, name: str) -> bool:
    """`*` stands for any text, all else for itself, also brackets."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def parameters(found: list[Case]) -> Iterator[Any]:
    """The cases as pytest's parameters."""
    yield from (pytest.param(each, id=each.id) for each in found)
