"""Values that are one of a few: modes, kinds of load balancer, TLS versions, actions, flags."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.mutants.change import Change, put
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.kinds.port import PROTOCOLS, Protocol
from meshtest.resources.schema import Enum, Flag, Type

_FEW = 6
_NOTHING = ("", "UNSPECIFIED", "UNSET", "DEFAULT", "UNDEFINED")


def choice(site: Site, around: Surroundings) -> Iterator[Change]:
    """Each other value; of many, and in lists, the two that come next. A flag is turned."""
    if isinstance(site.type, Flag) and isinstance(site.value, bool):
        yield put(site.path, site.value, not site.value)
        return
    known = words(site.type)
    written = site.value.upper() if isinstance(site.type, Protocol) and isinstance(site.value, str) else site.value
    if written in known:
        at = known.index(written)
        others = [each for each in (*known[at + 1 :], *known[:at]) if each not in _NOTHING]
        few = len(known) <= _FEW and not isinstance(site.path[-1], int)
        yield from (put(site.path, site.value, new) for new in (others if few else others[:2]))


def words(type_: Type) -> tuple[str | int, ...]:
    """What a field may hold, if it is one of a few."""
    return type_.words if isinstance(type_, Enum) else PROTOCOLS if isinstance(type_, Protocol) else ()
