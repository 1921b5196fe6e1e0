"""Requests in the background, while something else goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from meshtest.errors import MeshError
from meshtest.traffic.driver import Driver
from meshtest.traffic.request import Request
from meshtest.traffic.sample import Sample

MOST = 600.0  # seconds; a flow that nobody stops ends by itself

_POLL = 0.002  # seconds between two looks at how far it is


@dataclass(frozen=True)
class Changed:
    """What was changed while a flow ran, from when to when (seconds of the monotonic clock)."""

    what: str
    began: float
    ended: float


class Flow:
    """Sends a request over and over, until its block ends (or for ten minutes); then `sample` is what came back.

    with Flow(driver, request, rate=200) as flow:
        flow.wait(100)
        with flow.change("90/10"):
            ...
    flow.sample, flow.changes
    """

    def __init__(self, driver: Driver, request: Request, **options: Any) -> None:
        self._driver, self._request, self._options = driver, request, {"duration": MOST, **options}
        self._thread = threading.Thread(target=self._run, name="meshtest flow", daemon=True)
        self._sample: Sample | None = None
        self._error: BaseException | None = None
        self.changes: list[Changed] = []

    def _run(self) -> None:
        try:
            self._sample = self._driver.run(self._request, **self._options)
        except BaseException as error:  # raised where the flow is stopped
            self._error = error

    @property
    def sample(self) -> Sample:
        """What came back; RuntimeError while requests are still being sent."""
        if self._sample is None:
            raise RuntimeError("the flow is still under way: its sample is there when its block has ended")
        return self._sample

    @property
    def done(self) -> bool:
        """Whether all has been sent and answered."""
        return not self._thread.is_alive()

    def wait(self, requests: int, timeout: float = 30.0) -> None:
        """Wait until so many requests more, begun from now on, are over; MeshError if they are not after `timeout` seconds."""
        __tracebackhide__ = True
        wanted, deadline = self._driver.progress[0] + requests, time.monotonic() + timeout
        while (over := self._driver.progress[1]) < wanted:
            if self.done:
                self.stop()  # raises what ended it
                raise MeshError(f"the flow has ended before {requests} more requests were over")
            if time.monotonic() > deadline:
                raise MeshError(f"{wanted - over} of {requests} requests of a flow are not over after {timeout:g} s")
            time.sleep(_POLL)

    @contextmanager
    def change(self, what: str) -> Iterator[None]:
        """Note that something is changed in this block, so that `lossless` can say what a request was lost amid."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.changes.append(Changed(what, began, time.monotonic()))

    def stop(self) -> Sample:
        """Send no more, and wait for the answers under way."""
        self._driver.stop()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self.sample

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except BaseException:
            if error is None:  # what ended the block goes first
                raise
        finally:
            self._driver.close()
