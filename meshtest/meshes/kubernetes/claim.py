"""The namespaces of one run, to itself: their Leases, and nothing left in them by runs that were killed."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from types import TracebackType

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.lease import Lease
from meshtest.meshes.kubernetes.remains import Mended, mend


class Claim:
    """Held from here to `close`: the Lease of each namespace (HeldByAnother after `wait` seconds); `mended` is what was taken back there.

    MeshError if something of a killed run cannot be taken back; then nothing is held.
    """

    def __init__(self, api: Api, run: str, namespaces: Collection[str], wait: float = 0.0) -> None:
        self.mended: list[Mended] = []
        with contextlib.ExitStack() as stack:
            self._leases: list[Lease] = []
            for namespace in sorted(set(namespaces)):  # one order for all: two runs never wait for each other
                lease = Lease(api, run, namespace, wait)
                stack.callback(lease.close)
                self._leases.append(lease)
            for namespace in sorted(set(namespaces)):
                self.mended += mend(api, namespace)
            if errors := [each.error for each in self.mended if each.error]:
                raise MeshError("\n".join(errors))
            self._stack = stack.pop_all()

    def check(self) -> None:
        """MeshError if one of them is no longer ours."""
        for lease in self._leases:
            lease.check()

    def close(self) -> None:
        """Give all of them up; harmless when repeated."""
        self._stack.close()

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
