"""Looks for resources of which meshtest makes something else than istiod, and for the smallest such.

    python -m tests.istiod.explore [--mutate] [--seeds 0:1000] [--write DIR]

Each seed makes a few resources, or with `--mutate` changes recorded ones; what the API server refuses, what meshtest refuses as not implemented, what Envoy does
not take, and what istiod itself does not say twice in the same way is passed over. A difference is cut down until nothing can be left out, and
is told once for all that look alike.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from tests.istiod.invention import Invention
from tests.istiod.mutation import Mutation
from tests.istiod.session import Broken, Session, session
from tests.istiod.verdict import Verdict, judge

Json = dict[str, Any]
FOUND = ("DIFFERENT", "WRONG", "CRASHED")
# How often istiod must say again what is told as a difference: it orders some equals by chance.
AGAIN = 4
PROGRESS = 100  # seeds between two words on how far it is
# What gives a resource its identity is not left out.
KEPT = {"apiVersion", "kind", "metadata", "spec", "name", "namespace", "ports", "protocol", "resolution", "number"}


class Explorer:
    """Puts documents to istiod and to meshtest."""

    def __init__(self, asked: Session, folder: Path) -> None:
        self._asked = asked
        self._path = folder / "invented.yaml"

    def judge(self, documents: list[Json]) -> Verdict:
        text = yaml.safe_dump_all(documents, sort_keys=False)
        answer = self._asked.ask(text)
        if answer.invalid is not None:
            return Verdict("INVALID", [answer.invalid])
        if answer.unstable:
            return Verdict("UNSTABLE")
        if answer.rejected:  # and so does not ask for what hangs on it
            return Verdict("NACKED", answer.rejected)
        self._path.write_text(text)
        try:
            return judge(self._path, answer.configurations)
        except Exception as error:  # whatever it is, it is a finding
            return Verdict("CRASHED", [f"{type(error).__name__}: {error}"])

    def judge_firmly(self, documents: list[Json]) -> Verdict:
        """The same, and UNSTABLE where istiod's answer hangs on which of two equals it happens to meet first."""
        first = self.judge(documents)
        if first.word not in FOUND:
            return first
        again = [self.judge(documents) for _ in range(AGAIN)]
        return first if all(each == first for each in again) else Verdict("UNSTABLE")

    def smallest(self, documents: list[Json], verdict: Verdict) -> tuple[list[Json], Verdict]:
        """Leaves out what can be left out while the difference stays of the same look."""
        look, best = shape(verdict), documents
        progress = True
        while progress:
            progress = False
            for smaller in _smaller(best):
                found = self.judge(smaller)
                if found.word == verdict.word and shape(found) == look:
                    best, verdict, progress = smaller, found, True
                    break
        return best, verdict


def shape(verdict: Verdict) -> str:
    """The first difference without the names, numbers and values that vary between cases alike."""
    first = verdict.notes[0] if verdict.notes else ""
    place, _, values = first.partition(": istiod ")
    place = re.sub(r'"[^"]*"|[\w*-]+(\.[\w*-]+){2,}|\d+', "_", place.split(": ", 1)[-1])
    absent = ("absent there" if values.startswith("null") else "") + (
        "absent here" if values.endswith("here null") else ""
    )
    return f"{verdict.word} {place} {absent}"


class Exploration:
    """What was found so far."""

    def __init__(self, make: Callable[[int], list[Json]], folder: Path | None) -> None:
        self.count: Counter[str] = Counter()
        self._make = make
        self._folder = folder
        self._seen: set[str] = set()

    def look(self, explorer: Explorer, seed: int) -> None:
        documents = self._make(seed)
        verdict = explorer.judge_firmly(documents)
        if verdict.word not in FOUND or shape(verdict) in self._seen:
            self.count[verdict.word] += 1
            return
        self._seen.add(shape(verdict))
        documents, _ = explorer.smallest(documents, verdict)
        verdict = explorer.judge_firmly(documents)
        self._seen.add(shape(verdict))
        self.tell(seed, verdict, documents)

    def tell_progress(self) -> None:
        if self.count.total() % PROGRESS == 0:
            print(self, file=sys.stderr, flush=True)

    def __str__(self) -> str:
        return ", ".join(f"{number} {word}" for word, number in sorted(self.count.items()))

    def tell(self, seed: int, verdict: Verdict, documents: list[Json]) -> None:
        self.count[verdict.word] += 1
        text = yaml.safe_dump_all(documents, sort_keys=False)
        print(
            f"\n=== seed {seed} {verdict.word}", *(note[:300] for note in verdict.notes[:3]), text, sep="\n", flush=True
        )
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"seed-{seed}.yaml").write_text(text)


def _smaller(documents: list[Json]) -> Iterator[list[Json]]:
    for at in range(len(documents)):
        if len(documents) > 1:
            yield documents[:at] + documents[at + 1 :]
    for at, document in enumerate(documents):
        for place in list(_places(document.get("spec"), ("spec",))):
            copy = deepcopy(documents)
            holder: Any = copy[at]
            for step in place[:-1]:
                holder = holder[step]
            del holder[place[-1]]
            yield copy


def _places(value: Any, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Paths of what may be left out, the large before the small."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, _ in inside:
        if len(at) > 1 or key not in KEPT:
            yield (*at, key)
    for key, each in inside:
        yield from _places(each, (*at, key))


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.istiod.explore", description=__doc__)
    parser.add_argument("--seeds", default="0:1000", metavar="FROM:TO")
    parser.add_argument("--mutate", action="store_true", help="change recorded cases instead of inventing some")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write each smallest manifest to DIR/seed-N.yaml")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split(":"))
    source = Mutation if options.mutate else Invention
    exploration = Exploration(lambda seed: source(seed).documents(), options.write)
    seeds = iter(range(first, last))
    for seed in seeds:
        try:
            with session() as asked, tempfile.TemporaryDirectory() as folder:
                explorer = Explorer(asked, Path(folder))
                for each in chain([seed], seeds):
                    seed = each
                    exploration.look(explorer, each)
                    exploration.tell_progress()
        except Broken as error:
            exploration.tell(seed, Verdict("BROKEN", [str(error)]), source(seed).documents())
    print(exploration)
    return 1 if exploration.count.keys() & {*FOUND, "BROKEN"} else 0


if __name__ == "__main__":
    sys.exit(main())
