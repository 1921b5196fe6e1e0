"""Whose orders a pod takes, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

PATIENCE = 60.0
"""Seconds without its owner after which a pod takes back what it was told: an API server that is started anew takes half of it."""


@dataclass(frozen=True)
class Stay:
    """One connection of an owner; `term` is the number of takeovers before it, `resumed` whether it was this owner's already."""

    owner: str
    term: int
    resumed: bool


class Custody:
    """One owner at a time, by the name that it gives itself. `restore` is awaited when another comes, and when one stays away."""

    def __init__(self, restore: Callable[[], Awaitable[None]], patience: float = PATIENCE) -> None:
        self._restore, self._patience = restore, patience
        self._owner: str | None = None
        self._connections = self._term = 0
        self._lapse: asyncio.Task[None] | None = None

    @property
    def owner(self) -> str | None:
        """Who has it."""
        return self._owner

    @property
    def lapsing(self) -> bool:
        """Whether nobody is there, so that it will be taken back soon."""
        return self._lapse is not None

    async def enter(self, owner: str) -> Stay:
        """One more connection of an owner, who takes over from any other."""
        if self._lapse is not None:
            self._lapse.cancel()
            self._lapse = None
        resumed = owner == self._owner
        if not resumed:
            self._owner, self._connections, self._term = owner, 0, self._term + 1
        self._connections += 1
        stay = Stay(owner, self._term, resumed)
        try:
            if not resumed:
                await self._restore()
        except BaseException:
            self.leave(stay)
            raise
        return stay

    def leave(self, stay: Stay) -> None:
        """A connection of an owner has ended; one from before another took over counts no more."""
        if stay.term != self._term:
            return
        self._connections -= 1
        if not self._connections:
            self._lapse = asyncio.get_running_loop().create_task(self._let_go())

    async def _let_go(self) -> None:
        await asyncio.sleep(self._patience)
        self._owner = self._lapse = None
        self._term += 1
        await self._restore()
