"""What is known of a call's way: hop by hop, each with the rules that were looked at, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from meshtest.explain.absence import Rule
from meshtest.explain.applied import Applied
from meshtest.explain.call import Call
from meshtest.explain.destination import Destination


@dataclass(frozen=True)
class End:
    """How a way ends. `taken` is False where nothing takes the call, None where that cannot be told without sending it.

    `status` is the HTTP status that a proxy answers by itself, 0 if none; `flag` the response flag that its access log would show.
    """

    taken: bool | None
    says: str
    status: int = 0
    flag: str = ""


@dataclass(frozen=True)
class Onward:
    """One destination, the hops behind it (one for each workload), and how it ends where there are none."""

    destination: Destination
    hops: tuple[Hop, ...] = ()
    end: End | None = None

    def ends(self) -> Iterator[End]:
        """All ends of this way."""
        if self.end:
            yield self.end
        for hop in self.hops:
            yield from hop.ends()


@dataclass
class Hop:
    """One proxy, and what it does with the call.

    `servers` are those of the Gateways that listen there; `path` is what the proxy reads where another was sent; `passed` are the rules
    that were looked at before `rule`, which decides; `absent` are those that never came to this proxy.
    """

    proxy: str
    listener: str = ""
    entered: str = ""
    servers: tuple[str, ...] = ()
    chain: str = ""
    path: str = ""
    virtual_host: str = ""
    domain: str = ""
    passed: list[Rule] = field(default_factory=list)
    absent: list[Rule] = field(default_factory=list)
    rule: Rule | None = None
    policies: list[str] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    onward: list[Onward] = field(default_factory=list)
    end: End | None = None

    def ends(self) -> Iterator[End]:
        """All ends of the ways from here."""
        if self.end:
            yield self.end
        for each in self.onward:
            yield from each.ends()


@dataclass(frozen=True)
class Explanation:
    """A call, and its way from the first proxy on."""

    call: Call
    source: str
    first: Hop

    @property
    def taken(self) -> bool | None:
        """Whether something takes the call: some way of it ends well. None if that cannot be told."""
        ends = [each.taken for each in self.first.ends()]
        return True if True in ends else None if None in ends else False
