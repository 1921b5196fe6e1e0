"""What a request must look like for one match of a rule: conditions that must all hold, and which matches leave others nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

from meshtest.analysis.pattern import ANY, EVERY, PREFIX, SET, Pattern, one_of, path, pattern

_PSEUDO = ("method", "authority", "scheme")
_MOST_CANDIDATES = 32  # together with how many others a match is looked at
_MOST_ENTRIES = 64  # of those that are found under one condition
_MOST_BRANCHES = 200


@dataclass(frozen=True)
class Condition:
    """A part of a request (`header x-canary`, `method`, `port`) has a value in the pattern; or, `negated`, has none there."""

    subject: str
    pattern: Pattern
    negated: bool = False

    def implies(self, other: Condition) -> bool:
        """Whether a request for which this holds certainly fulfils the other, on the same part."""
        if not self.negated:
            return self.pattern.apart(other.pattern) if other.negated else other.pattern.contains(self.pattern)
        if not other.negated or not self.pattern.contains(other.pattern):
            return False
        # A missing header counts as an empty one for a pattern that must not match (`treat_missing_header_as_empty`).
        return self.pattern.kind != ANY or other.pattern.kind == ANY or other.pattern.lacks("")

    def excludes(self, other: Condition) -> bool:
        """Whether no request fulfils both, on the same part."""
        if self.negated:
            return not other.negated and other.excludes(self)
        return self.pattern.apart(other.pattern) if not other.negated else other.pattern.contains(self.pattern)

    @property
    def opposite(self) -> Condition | None:
        """What holds where this does not; None where a missing value makes the difference."""
        if self.pattern.kind != ANY and not self.pattern.lacks(""):
            return None
        return replace(self, negated=not self.negated)


@dataclass(frozen=True)
class Conjunction:
    """A path, and conditions on the rest."""

    path: Pattern
    conditions: frozenset[Condition]

    def within(self, context: Sequence[Condition]) -> Conjunction:
        """The match where the context holds of each request, unless it is narrower itself."""
        more = [each for each in context if not any(own.subject == each.subject for own in self.conditions)]
        return Conjunction(self.path, self.conditions.union(more)) if more else self

    def apart(self, other: Conjunction) -> bool:
        """Whether certainly no request fulfils both."""
        return self.path.apart(other.path) or any(_excluded(each, self.conditions) for each in other.conditions)

    @property
    def single(self) -> bool:
        """Whether it has one value for each of its parts, or more than can be told apart."""
        return len(self.path.values) < 2 and not any(map(_splits, self.conditions))

    def cases(self) -> Iterator[Conjunction]:
        """The match as several with single values each, where it has few."""
        paths = [self.path]
        if self.path.kind == SET and 1 < len(self.path.values) <= 8:
            paths = [replace(self.path, values=frozenset({each})) for each in sorted(self.path.values)]
        several = sorted(filter(_splits, self.conditions), key=lambda each: each.subject)
        rest = self.conditions.difference(several)
        count = len(paths)
        while several and count * len(several[-1].pattern.values) <= 16:
            count *= len(several[-1].pattern.values)
            several = several[:-1]
        kept = set(several)
        split = [each for each in self.conditions if _splits(each) and each not in kept]
        choices = [[replace(each, pattern=one_of(value)) for value in sorted(each.pattern.values)] for each in split]
        for place in paths:
            for chosen in product(*choices):
                yield Conjunction(place, rest.union(kept, chosen))


def _splits(condition: Condition) -> bool:
    values = condition.pattern.values
    return not condition.negated and not condition.pattern.folded and 1 < len(values) <= 8


def conjunction(match: Mapping[str, Any] | None) -> Conjunction:
    """What a match asks for, None for anything."""
    if match is None:
        return Conjunction(EVERY, frozenset())
    found: list[Condition] = []
    for name, value in match.get("headers", _NONE).items():
        found.append(_condition(f"header {name.lower()}", *_form(value)))
    for name, value in match.get("queryParams", _NONE).items():
        found.append(_condition(f"query parameter {name}", *_form(value)))
    for name, value in match.get("withoutHeaders", _NONE).items():
        found.append(_condition(f"header {name.lower()}", *_form(value), negated=True))
    for field in _PSEUDO:
        if field in match and (wanted := _condition(field, *_form(match[field]))).pattern.kind != ANY:
            found.append(wanted)
    if match.get("gateways"):
        found.append(Condition("gateway", one_of(*match["gateways"])))
    else:  # istiod looks at the caller only where no gateways are named (`sourceMatchHTTP`)
        for name, value in match.get("sourceLabels", _NONE).items():
            found.append(_condition(f"label {name}", "exact", value))
        if match.get("sourceNamespace"):
            found.append(_condition("source namespace", "exact", match["sourceNamespace"]))
    if match.get("port"):
        found.append(_condition("port", "exact", str(match["port"])))
    return Conjunction(path(match.get("uri"), bool(match.get("ignoreUriCase"))), frozenset(found))


_NONE: Mapping[str, Any] = {}


def _form(match: Mapping[str, str] | None) -> tuple[str, str]:
    """The kind of a StringMatch and its text."""
    for kind in ("exact", "regex", "prefix") if match else ():
        if match and (kind in match if kind == "exact" else match.get(kind)):
            return kind, match[kind]
    return "", ""


@lru_cache(maxsize=8192)
def _condition(subject: str, kind: str, text: str, *, negated: bool = False) -> Condition:
    return Condition(subject, pattern({kind: text} if kind else {}), negated)


@dataclass(eq=False, slots=True)
class _Entry:
    conditions: frozenset[Condition]
    path: Pattern
    owner: int


_Rep = tuple[str, str] | None


class _Group:
    """Matches of one path, found by one of their conditions. Of many that are alike the first ones are looked at: the cost stays linear."""

    def __init__(self) -> None:
        self._found: dict[_Rep, list[_Entry]] = {}
        self.first: list[_Entry] = []

    def add(self, entry: _Entry) -> None:
        found = self._found.setdefault(_representative(entry.conditions), [])
        if len(found) < _MOST_ENTRIES:
            found.append(entry)
        if len(self.first) <= _MOST_CANDIDATES:
            self.first.append(entry)

    def of(self, wanted: Sequence[_Rep]) -> Iterator[_Entry]:
        for rep in wanted:
            yield from self._found.get(rep, ())


class Cover:
    """Matches in order, each with its owner's number; asked which owners leave a match nothing."""

    def __init__(self) -> None:
        self._same: dict[Conjunction, int] = {}
        self._places: dict[tuple[str, str], _Group] = {}
        self._lengths: set[int] = set()
        self._others = _Group()

    def add(self, match: Conjunction, owner: int) -> None:
        """Take a match behind the others."""
        self._same.setdefault(match, owner)
        place = self._home(match.path)
        group = self._others if place is None else self._places.setdefault(place, _Group())
        group.add(_Entry(match.conditions, match.path, owner))

    def _home(self, where: Pattern) -> tuple[str, str] | None:
        """The key under which matches of a path stand; None for those that must be looked at one by one."""
        if where.kind == ANY:
            return (ANY, "")
        if where.folded:
            return None
        if where.kind == SET:
            return (SET, next(iter(where.values))) if len(where.values) == 1 else None
        if where.kind == PREFIX:
            self._lengths.add(len(where.text))
            return (PREFIX, where.text)
        return None

    def owners(self, match: Conjunction) -> list[int] | None:
        """The owners of earlier matches that together take each request of this one; None if some may be left."""
        if match in self._same:
            return [self._same[match]]
        if match.single:
            return self._case(match)
        out: dict[int, None] = {}
        for case in match.cases():
            found = self._case(case)
            if found is None:
                return None
            out.update(dict.fromkeys(found))
        return sorted(out)

    def _case(self, match: Conjunction) -> list[int] | None:
        groups = [*self._groups(match.path)]
        wanted: list[_Rep] = [None, *(rep for each in match.conditions for rep in _representatives(each))]
        for group in groups:
            for entry in group.of(wanted):
                if entry.path.contains(match.path) and not _left(entry.conditions, match.conditions):
                    return [entry.owner]
        if sum(len(group.first) for group in groups) > _MOST_CANDIDATES:
            return None
        near = [entry for group in groups for entry in group.first if entry.path.contains(match.path)]
        return _together(near, match.conditions)

    def _groups(self, where: Pattern) -> Iterator[_Group]:
        keys = [(ANY, "")]
        if not where.folded and where.kind == SET and len(where.values) == 1:
            (value,) = where.values
            keys += [(SET, value), *((PREFIX, value[:length]) for length in self._lengths if length <= len(value))]
        elif not where.folded and where.kind != SET:
            begin = where.text if where.kind == PREFIX else where.stem
            keys += [(PREFIX, begin[:length]) for length in self._lengths if length <= len(begin)]
        for key in keys:
            if key in self._places:
                yield self._places[key]
        yield self._others


def _representative(conditions: frozenset[Condition]) -> _Rep:
    """Under which of its conditions a match is found."""
    return min((_representatives(each)[0] for each in conditions), default=None)


def _representatives(condition: Condition) -> list[tuple[str, str]]:
    name = condition.subject
    if not condition.negated and len(condition.pattern.values) == 1 and not condition.pattern.folded:
        return [(name, f"={next(iter(condition.pattern.values))}"), (name, "")]
    return [(name, "")]


def _left(conditions: Iterable[Condition], given: Iterable[Condition]) -> list[Condition]:
    """The conditions that do not follow from what is given."""
    by_subject: dict[str, list[Condition]] = {}
    for each in given:
        by_subject.setdefault(each.subject, []).append(each)
    return [each for each in conditions if not any(one.implies(each) for one in by_subject.get(each.subject, ()))]


def _together(entries: Sequence[_Entry], given: frozenset[Condition]) -> list[int] | None:
    terms = []
    for entry in entries:
        if not any(_excluded(each, given) for each in entry.conditions):
            terms.append((frozenset(_left(entry.conditions, given)), entry.owner))
    budget = [_MOST_BRANCHES]
    used: set[int] = set()
    return sorted(used) if _exhaust(terms, budget, used) else None


def _excluded(condition: Condition, given: Iterable[Condition]) -> bool:
    return any(one.subject == condition.subject and one.excludes(condition) for one in given)


def _exhaust(terms: list[tuple[frozenset[Condition], int]], budget: list[int], used: set[int]) -> bool:
    """Whether the terms together hold for everything: each is tried with a condition and with its opposite."""
    budget[0] -= 1
    if budget[0] < 0 or not terms:
        return False
    done = next((owner for conditions, owner in terms if not conditions), None)
    if done is not None:
        used.add(done)
        return True
    shortest = min(terms, key=lambda term: len(term[0]))
    pick = min(
        shortest[0], key=lambda each: (each.subject, each.negated, each.pattern.text, sorted(each.pattern.values))
    )
    opposite = pick.opposite
    if opposite is None:
        return False
    return all(_exhaust(_assuming(terms, side), budget, used) for side in (pick, opposite))


def _assuming(terms: list[tuple[frozenset[Condition], int]], fact: Condition) -> list[tuple[frozenset[Condition], int]]:
    return [
        (frozenset(_left(conditions, [fact])), owner)
        for conditions, owner in terms
        if not any(each.subject == fact.subject and fact.excludes(each) for each in conditions)
    ]
