"""The part of the plugin that runs tests for mutants: a mutant that a test notices is no failure, it is noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import replace

import pytest

from meshtest.errors import MeshError, PolicyViolation, ResourceError
from meshtest.mutation.case import Case, case_of, cases, parameters
from meshtest.mutation.note import (
    BEGUN,
    EQUIVALENT,
    EXCUSED,
    KILLED,
    PROPERTY,
    REFUSED,
    SILENT,
    UNNOTICED,
    Note,
)
from meshtest.mutation.substitution import substitution_of
from meshtest.resources.problem import WrongResources

Skipped, Failed = pytest.skip.Exception, pytest.fail.Exception


class Run:
    """Hooks of one pytest process; what one test killed the module's others need not."""

    def __init__(self) -> None:
        self._tests: Counter[tuple[str, str]] = Counter()
        self._places: dict[tuple[str, str], int] = {}
        self._killed: set[tuple[str, str]] = set()
        self._red: set[str] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A run for each mutant."""
        if found := cases(metafunc):
            metafunc.parametrize("mesh", list(parameters(found)), indirect=True)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Module by module, the originals first, then mutant by mutant; tests without mutants say nothing here."""
        idle = [each for each in items if case_of(each) is None]
        places: dict[tuple[str, str], int] = {}
        for each in items:
            places.setdefault((_module(each), ""), len(places))
        for each in items:
            places.setdefault((_module(each), _mutant(each)), len(places))
        items[:] = sorted(
            (each for each in items if case_of(each) is not None),
            key=lambda each: (
                places[_module(each), ""],
                not _case(each).original,
                places[_module(each), _mutant(each)],
            ),
        )
        if idle:
            config.hook.pytest_deselected(items=idle)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests of each mutant: when all of them have told, it is known whether it survived."""
        self._tests = Counter((_module(each), _mutant(each)) for each in session.items)
        self._places = {key: place for place, key in enumerate(self._tests)}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """A fixture may notice a mutant, too."""
        if case_of(item) is None:
            return (yield)
        self._note(item, BEGUN)
        try:
            return (yield)
        except Exception as error:
            self._judge(item, error)
            pytest.skip(f"killed before the test began: {_cause(error)}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Note what the test says of the mutant; what has nothing to do with it is raised."""
        if case_of(item) is None:
            return (yield)
        self._pass_by(item)
        try:
            result = yield
        except Skipped:
            self._note(item, EQUIVALENT if _same(item) else SILENT)
            raise
        except (Exception, Failed) as error:
            self._judge(item, error)
            return None
        self._note(item, EQUIVALENT if _same(item) else UNNOTICED if _applied(item) else SILENT)
        return result

    def _pass_by(self, item: pytest.Item) -> None:
        """Skip what needs no run."""
        case, module = _case(item), _module(item)
        if case.excuse:
            self._note(item, EXCUSED, case.excuse)
            pytest.skip(f"not promised: {case.excuse}")
        if (module, case.id) in self._killed:
            self._note(item, SILENT)
            pytest.skip("another test killed it")
        if module in self._red and not case.original:
            self._note(item, SILENT)
            pytest.skip("a test of the module is red without any mutant")

    def _judge(self, item: pytest.Item, error: BaseException) -> None:
        """A red test: because of the mutant, unless there is none, or it made no difference."""
        if _case(item).original:
            self._red.add(_module(item))
        if _case(item).original or not _differs(item):
            raise error
        if isinstance(error, WrongResources) and error.unsupported:
            self._note(item, REFUSED, str(error))
            pytest.skip(f"the mesh cannot run it: {error}")
        self._killed.add((_module(item), _mutant(item)))
        self._note(item, KILLED, _cause(error))

    def _note(self, item: pytest.Item, found: str, cause: str = "") -> None:
        case, key = _case(item), (_module(item), _mutant(item))
        note = Note(*key, case.sentence, case.where, self._tests[key], self._places[key])
        item.user_properties.append((PROPERTY, replace(note, found=found, cause=cause).as_json()))


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _mutant(item: pytest.Item) -> str:
    found = case_of(item)
    return found.id if found else ""


def _case(item: pytest.Item) -> Case:
    found = case_of(item)
    assert found is not None
    return found


def _applied(item: pytest.Item) -> bool:
    found = substitution_of(item)
    return found is not None and (found.applied or found.case.original)


def _differs(item: pytest.Item) -> bool:
    found = substitution_of(item)
    return found is not None and found.differs


def _same(item: pytest.Item) -> bool:
    found = substitution_of(item)
    return found is not None and found.applied and not found.differs


def _cause(error: BaseException) -> str:
    """Whose word it was that killed: the verdict of an expectation, an assertion, a refusal of the resource, the surroundings."""
    if isinstance(error, PolicyViolation):
        return str(error.judgement.verdict) if error.judgement is not None else "PolicyViolation"
    kinds = (ResourceError, MeshError, AssertionError)
    return next((kind.__name__ for kind in kinds if isinstance(error, kind)), type(error).__name__)
