"""Consistent hashing: the same key leads to the same instance, and different keys to all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from meshtest.judging.answers import Answers
from meshtest.judging.control import Control, Edit
from meshtest.judging.experiment import Lab, Variant
from meshtest.judging.keys import Keys, Places
from meshtest.judging.podname import podname, whole
from meshtest.judging.verdict import Judgement, Verdict
from meshtest.resources.edit import Put

KEYS, KEYS_THAT_MOVE = 60, 300
"""So many keys miss an instance with a probability of 1e-7; and so many tell keys that move from all keys dealt anew (1e-5)."""

_ANONYMOUS = 60  # requests without a key miss one of three instances with a probability of 1e-10
_HEADER, _COOKIE, _GENERATED, _QUERY, _SOURCE = (
    "header",
    "cookie",
    "generated cookie",
    "query parameter",
    "source address",
)
_SEPARATOR = "\x1f"  # in no name of a pod


@dataclass(frozen=True, kw_only=True)
class Sticky:
    """A key (a header, cookie or query parameter called `name`, or the source address) decides on the instance of a workload."""

    workload: str
    by: str
    name: str = ""
    attributes: tuple[str, ...] = ()
    keys: int = KEYS
    leaves: bool = False
    moves: float = 20

    def conduct(self, lab: Lab) -> Judgement:
        """Send all keys several times, and requests without one; with `leaves` also while the last instance is unready, and afterwards."""
        instances = lab.workload(self.workload).instances
        if self.leaves:  # what changes with the first change of readiness has changed before keys are looked at
            instances[-1].unready().take_back()
        names = [each.name for each in instances]
        if self.by == _SOURCE:
            same = _places(lab.send(self.keys, connections=1, reading=podname), self.keys)
            return Keys(names, [[each] for each in same], spread=False).judgement()
        if self.by == _GENERATED:
            return self._generated(lab, names)
        return self._given(lab, instances, names)

    def _given(self, lab: Lab, instances: Sequence[Any], names: Sequence[str]) -> Judgement:
        variants = [self._variant(f"key-{number}") for number in range(self.keys)]
        few = variants[:KEYS]
        anonymous = _places(lab.send(_ANONYMOUS, connections=1, reading=podname), _ANONYMOUS)
        judgement = Keys(names, [_sent(lab, few), _reversed(lab, few)], anonymous).judgement()
        if not self.leaves or judgement.verdict is not Verdict.HOLDS:
            return judgement
        lab.progress(f"{len(few)} keys lead to {len(names)} instances; the last of these leaves")
        first = _sent(lab, variants)
        with instances[-1].unready():
            without = _sent(lab, variants)
        found = Keys(names, [first], without=without, back=_reversed(lab, variants), moves=self.moves).judgement()
        return replace(found, requests=found.requests + judgement.requests)

    def _generated(self, lab: Lab, names: Sequence[str]) -> Judgement:
        """Each answer to a request without the cookie sets one, which leads back to the instance that gave it.

        Envoy makes it of the addresses and ports of the connection (`HttpHashPolicy`, source/common/http/hash_policy.cc), so that each
        request has a connection of its own.
        """
        answers = _places(lab.each([Variant()] * self.keys, fresh=True, reading=self._read), self.keys)
        given = [each.partition(_SEPARATOR) for each in map(str, answers)]
        if wrong := next((cookie for _, _, cookie in given if not self._is_ours(cookie)), None):
            return self._unlike(f"an answer set the cookie {wrong}", len(answers))
        if not all(cookie for _, _, cookie in given):
            return self._unlike("an answer set no cookie", len(answers))
        values = [cookie.partition(";")[0].partition("=")[2] for _, _, cookie in given]
        again = lab.each([self._variant(each) for each in values], reading=self._read)
        places = [str(each).partition(_SEPARATOR) for each in _places(again, self.keys)]
        if any(cookie for _, _, cookie in places):
            return self._unlike("a cookie that was sent was set again", 2 * len(answers))
        return Keys(names, [[each for each, *_ in given], [each for each, *_ in places]]).judgement()

    def _read(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str:
        """The instance, and the cookie that it sets."""
        prefix = f"{self.name}="
        cookies = (value.decode("latin-1") for key, value in headers if key.lower() == b"set-cookie")
        found = next((each for each in cookies if each.startswith(prefix)), "")
        return f"{podname(status, headers, body)}{_SEPARATOR}{found}"

    def _is_ours(self, cookie: str) -> bool:
        """Whether it has all attributes that it must have; none at all is another matter."""
        return not cookie or set(self.attributes) <= {each.strip() for each in cookie.split(";")[1:]}

    def _unlike(self, what: str, requests: int) -> Judgement:
        return Judgement(Verdict.VIOLATED, what, requests, {"expectation": "sticky"}, what)

    def _variant(self, key: str) -> Variant:
        if self.by == _QUERY:
            return Variant(query={self.name: key})
        if self.by == _HEADER:
            return Variant(headers={self.name: key})
        return Variant(headers={"cookie": f"{self.name}={key}"})

    def strict(self) -> Sticky:
        """The same: it is exact but for bounds that hold with probabilities of 1e-6 already."""
        return self

    def controls(self) -> list[Control]:
        """DestinationRules that balance in turn, or hash by something else."""
        wrong: dict[str, Mapping[str, Any]] = {
            "ROUND_ROBIN instead of a hash": {"simple": "ROUND_ROBIN"},
            "a hash by another header": {"consistentHash": {"httpHeaderName": "x-meshtest-other"}},
        }
        if self.by != _SOURCE:
            wrong["a hash by the source's address"] = {"consistentHash": {"useSourceIp": True}}
        field = ("trafficPolicy", "loadBalancer")
        return [Control(name, (Edit("DestinationRule", Put(field, value)),)) for name, value in wrong.items()]

    @property
    def configured(self) -> str:
        """`by the header x-user`."""
        return f"by the {f'{self.by} {self.name}'.strip()}"

    @property
    def error_rates(self) -> str:
        """Of calling a right mesh wrong; one in which 5 % of requests go astray is called right less often than the second."""
        return "1e-06 / 1e-03"

    def __str__(self) -> str:
        kept = f", and kept (but for {self.moves:g} %) when an instance leaves" if self.leaves else ""
        return f"sticky {self.configured}{kept}"


def _sent(lab: Lab, variants: Sequence[Variant]) -> Places:
    return _places(lab.each(variants, reading=podname), len(variants))


def _reversed(lab: Lab, variants: Sequence[Variant]) -> Places:
    """In another order, so that what goes in turn does not look like keys."""
    return _sent(lab, variants[::-1])[::-1]


def _places(answers: Answers, requests: int) -> Places:
    return whole(answers, requests).answered


def sticky(
    workload: str,
    *,
    header: str | None = None,
    cookie: str | None = None,
    query: str | None = None,
    source: bool = False,
    generated: bool = False,
    attributes: Sequence[str] = (),
    leaves: bool = False,
    moves: float = 20,
) -> Sticky:
    """The same key leads to the same instance of a workload, and different keys to all of them: `sticky("reviews-v2", header="x-user")`.

    The key is one of

    * ``header``, ``query``  a header, or a query parameter, of that name
    * ``cookie``             a cookie of that name; with ``generated`` one that the proxy sets where there is none, with these
                             ``attributes`` (`["Max-Age=60", "Path=/", "HttpOnly"]`)
    * ``source``             the address that requests come from: all from here go to one instance

    With ``leaves`` the last instance becomes unready: its keys go to others, no more than `moves` percent of the other keys move
    (all dealt anew would be half of them, of three instances), and all are as before when it is ready again. Nothing but the instances'
    names is read; requests without a key go to all instances. ValueError for no key, or several.
    """
    named = [(by, name) for by, name in ((_HEADER, header), (_COOKIE, cookie), (_QUERY, query)) if name is not None]
    named += [(_SOURCE, "")] if source else []
    if len(named) != 1:
        raise ValueError("say one key: header=, cookie= or query= with its name, or source=True")
    by, name = named[0]
    if (generated or attributes) and by != _COOKIE:
        raise ValueError("only a cookie is generated, and has attributes")
    if leaves and (generated or source):
        raise ValueError(
            "leaves= is for keys that a request can bring: a header, a query parameter, or a cookie of its own"
        )
    if not 0 <= moves < 50:
        raise ValueError(f"moves is in percent, from 0 to below 50, not {moves!r}")
    by = _GENERATED if generated else by
    keys = KEYS_THAT_MOVE if leaves else KEYS
    return Sticky(
        workload=workload, by=by, name=name, attributes=tuple(attributes), keys=keys, leaves=leaves, moves=moves
    )
