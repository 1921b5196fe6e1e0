"""Authorization as a matrix, asked cell by cell; and the meshes without a policy, or with one turned round, in which it must fail."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from meshtest.errors import MeshError, PolicyViolation
from meshtest.evidence import Finding, finding
from meshtest.judging.permissions import MARK, Asked, Cell, Permissions
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.proof import Watch
from meshtest.resources.edit import Put, with_spec
from meshtest.resources.resource import Resource
from meshtest.source import Source
from meshtest.traffic.attribution import by_body
from meshtest.traffic.request import Request, request
from meshtest.traffic.sample import Sample, join

Key = tuple[str, str, str, str]
INGRESS = "ingress"
"""Who asks from outside, through the ingress gateway."""

_POLICY = "AuthorizationPolicy"
_TURNED = {"ALLOW": "DENY", "DENY": "ALLOW"}
_REFUSAL = by_body("^(RBAC: access denied)$")  # what Envoy's filter answers with


def permissions(
    table: str | Mapping[tuple[str, Request], bool], /, *, within: float = 50, beta: float = 1e-3
) -> Permissions:
    """What may be asked by whom: `permissions({("client", GET("http://echo:8000/admin")): False})`, or a table.

    A table has the workloads (`ingress` for outside) in its first line, then a line a request: what is asked, then `yes`, `no`, or `-`
    (not asked) below each. Two blanks or more part its columns.

        who asks                              client  shelf-near
        GET http://echo:8000/admin            no      yes
        GET http://echo:8000/a (x-role: cat)  yes     -

    Each cell gets as many requests as `within` (percentage points) and `beta` take, 10 by default: a policy that errs with at least
    `within` of a cell's requests is missed with a probability of `beta` at the most. ValueError for what makes no sense.
    """
    if not (0 < within < 100 and 0 < beta < 1):
        raise ValueError(
            f"within is between 0 and 100 percentage points, beta between 0 and 1, not {within!r} and {beta!r}"
        )
    cells: Mapping[Cell, bool] = dict(_read(table) if isinstance(table, str) else table.items())
    if not cells:
        raise ValueError("a matrix of permissions has at least one cell")
    return Permissions(cells, within, beta)


_LINE = re.compile(r"([A-Z]+) (\S+)(?: \((.*)\))?")
_SAID = {"yes": True, "no": False}


def _read(table: str) -> Iterator[tuple[Cell, bool]]:
    lines = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines() if line.strip()]
    first = lines[0] if lines else []
    for what, *said in lines[1:]:
        if len(said) != len(first) - 1:
            raise ValueError(
                f"{what!r} has {len(said)} cells, and the table {len(first) - 1} columns; two blanks part them"
            )
        for who, word in zip(first[1:], said, strict=True):
            if word != "-":
                yield (who, _asked_for(what)), _meant(word, what)


def _meant(word: str, what: str) -> bool:
    if word not in _SAID:
        raise ValueError(f"a cell is yes, no or -, not {word!r} (of {what!r})")
    return _SAID[word]


def _asked_for(text: str) -> Request:
    """The request of a line, as `str` of it is written."""
    if not (found := _LINE.fullmatch(text)):
        raise ValueError(
            f"a request is a method, a URL, and perhaps headers (GET /a (x-role: cat, x-a: b)), not {text!r}"
        )
    method, url, headers = found.groups()
    pairs = [each.partition(": ") for each in headers.split(", ")] if headers else []
    return request(method, url, headers=[(name, value) for name, _, value in pairs])


@dataclass(frozen=True)
class Matrix:
    """A matrix of permissions that is asked: `source` gives who asks, by name; `watch` is told what is found."""

    expected: Permissions
    source: Callable[[str], Source]
    watch: Watch

    def prove(self, control: str = "") -> tuple[Finding, Judgement]:
        """The verdict, recorded. With a `control` (how the mesh was made wrong) the first wrong cell ends it."""
        began, samples = time.monotonic(), list[Sample]()
        found: dict[Cell, list[Asked]] = {}
        for cell in self.expected.cells:
            found[cell] = self._ask(cell, samples)
            judgement = self.expected.judge(found)
            self.watch.progress(f"{judgement.observed} of {len(self.expected.cells)}")
            if control and judgement.verdict is Verdict.VIOLATED:
                break
        self.watch.progress("")
        told = self._finding(judgement, join(*samples), time.monotonic() - began, control)
        self.watch.record(told)
        return told, judgement

    def _ask(self, cell: Cell, samples: list[Sample]) -> list[Asked]:
        """What came of a cell's requests. Logs are read only where they are to be turned away, to see by what, or where no body tells."""
        who, what = cell
        assert isinstance(what, Request)
        causes = not self.expected.cells[cell] or what.method == "HEAD"
        sample = self.source(who).measure(what, self.expected.requests, attribute=_REFUSAL, causes=causes)
        if sample.errors:
            raise MeshError(f"{what} from {who} got no HTTP answer at all: {', '.join(sample.errors)}")
        samples.append(sample)
        return list(_by_log(sample) if causes else _by_body(sample))

    def _finding(self, judgement: Judgement, sample: Sample, seconds: float, control: str) -> Finding:
        cells = self.expected.cells
        sources = ", ".join(dict.fromkeys(who for who, _ in cells))
        what = f"each of {len(dict.fromkeys(what for _, what in cells))} requests"
        return finding(
            sources,
            what,
            self.expected,
            judgement,
            "the policies that the test has applied",
            sample,
            seconds,
            control,
            versions=False,
        )


def _by_log(sample: Sample) -> Iterator[Asked]:
    for status, log in zip(sample.status, sample.logs(), strict=True):
        yield Asked(status, next((each.details for each in log if each.details.startswith(MARK)), ""))


def _by_body(sample: Sample) -> Iterator[Asked]:
    for status, refusal in zip(sample.status, sample.version, strict=True):
        yield Asked(status, refusal or "" if status == 403 else "")


def wrong_policies(applied: Mapping[Key, Resource]) -> Iterator[tuple[str, dict[Key, Resource]]]:
    """The same resources without one of the policies, and with one that does the opposite; each with what is wrong. Pure."""
    for key, policy in applied.items():
        if policy.kind != _POLICY:
            continue
        yield f"without {policy}", {each: resource for each, resource in applied.items() if each != key}
        action = str(policy.spec.get("action", "ALLOW"))
        if turned := _TURNED.get(action):
            other = with_spec(policy, Put(("action",), turned))
            yield f"{turned} instead of {action} in {policy}", {**applied, key: other}


def noticed(told: Finding, judgement: Judgement) -> None:
    """PolicyViolation unless a wrong mesh was called VIOLATED."""
    if judgement.verdict is not Verdict.VIOLATED:
        raise PolicyViolation(
            f"the control ({told.control}) was not noticed: no cell depends on it.\n{told.message()}", judgement
        )
