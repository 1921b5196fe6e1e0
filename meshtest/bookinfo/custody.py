"""Whose orders a pod takes, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds without its owner after which a pod takes back what it was told: an API server that is started anew takes half of it."""


class Custody:
    """One owner at a time, by the name that it gives itself. `restore` is awaited when another comes, and when one stays away."""

    def __init__(self, restore: Callable[[], Awaitable[None]], patience: float = PATIENCE) -> None:
        self._restore, self._patience = restore, patience
        self._owner: str | None = None
        self._connections = 0
        self._lapse: asyncio.Task[None] | None = None

    @property
    def owner(self) -> str | None:
        """Who has it."""
        return self._owner

    async def enter(self, owner: str) -> bool:
        """One more connection of an owner, who takes over from any other; whether it was this one's already."""
        if self._lapse is not None:
            self._lapse.cancel()
            self._lapse = None
        resumed = owner == self._owner
        if not resumed:
            self._owner, self._connections = owner, 0
        self._connections += 1
        if not resumed:
            await self._restore()
        return resumed

    def leave(self, owner: str) -> None:
        """A connection of an owner has ended."""
        if owner != self._owner:
            return
        self._connections -= 1
        if not self._connections:
            self._lapse = asyncio.get_running_loop().create_task(self._let_go())

    async def _let_go(self) -> None:
        await asyncio.sleep(self._patience)
        self._owner = self._lapse = None
        await self._restore()
