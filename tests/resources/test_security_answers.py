"""Security resources, each with what a real API server and istiod's webhook answered to it.

`security_answers.json` holds the answers of Istio 1.32 (2026-08-27) to `kubectl apply --server-side --dry-run=server
--validate=strict`: for each kind a whole spec that was accepted; the values that were accepted and refused in place of each
of its fields; whether it was accepted without the field; and other specs (accepted or not, spec, perhaps annotations).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshtest.resources.manifest import examine, read_objects

ANSWERS = json.loads(Path(__file__).with_name("security_answers.json").read_text())


def wrong(kind: str, spec: Any, annotations: dict[str, str] | None = None) -> list[str]:
    """What is said against a resource; fields that are right but not implemented do not count."""
    metadata = {"name": "it", "annotations": annotations or {}}
    body = {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
    _, problems = examine(read_objects([body]))
    return [str(problem) for problem in problems if not problem.unsupported]


def changed(whole: Any, path: str, *value: Any) -> Any:
    """A copy of `whole` with the value at `path` put in place, or without it."""
    spec = copy.deepcopy(whole)
    *way, last = [int(part) if part.isdecimal() and len(part) < 4 else part for part in path.split(".")]
    target = spec
    for part in way:
        target = target[part]
    if value:
        target[last] = value[0]
    else:
        del target[last]
    return spec


def disagreements(kind: str) -> Iterator[str]:
    """Each case in which we say something else than istiod."""
    given = ANSWERS[kind]
    cases = [(True, given["whole"], None)]
    for path, values in given["replaced"].items():
        for answer in ("accepted", "refused"):
            cases += [(answer == "accepted", changed(given["whole"], path, value), None) for value in values[answer]]
    cases += [(accepted, changed(given["whole"], path), None) for path, accepted in given["removed"].items()]
    cases += [(accepted, spec, *rest) if rest else (accepted, spec, None) for accepted, spec, *rest in given["others"]]
    for accepted, spec, given_annotations in cases:
        said = wrong(kind, spec, given_annotations)
        if accepted == bool(said):
            yield f"{'accepted' if accepted else 'refused'}: {json.dumps(spec)} {given_annotations or ''}: here {said}"


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_what_istiod_accepts_is_accepted_and_what_it_refuses_is_refused(kind: str) -> None:
    """No recorded answer differs from ours."""
    assert [*disagreements(kind)] == []
