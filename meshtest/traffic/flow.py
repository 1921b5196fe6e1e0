"""Requests in the background, while something else goes on."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

from meshtest.traffic.driver import Driver
from meshtest.traffic.request import Request
from meshtest.traffic.sample import Sample

MOST = 600.0  # seconds; a flow that nobody stops ends by itself


class Flow:
    """Sends a request over and over, until its block ends (or for ten minutes); then `sample` is what came back.

    with Flow(driver, request, rate=200) as flow:
        ...
    flow.sample
    """

    def __init__(self, driver: Driver, request: Request, **options: Any) -> None:
        self._driver, self._request, self._options = driver, request, {"duration": MOST, **options}
        self._thread = threading.Thread(target=self._run, name="meshtest flow", daemon=True)
        self._sample: Sample | None = None
        self._error: BaseException | None = None

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
