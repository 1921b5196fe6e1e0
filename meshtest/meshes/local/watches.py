"""Linux's inotify instances: each file that an Envoy watches takes one, and all processes of a user share a few (128 by default)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from meshtest.errors import MeshError

MORE = "each file that an Envoy watches takes one: sysctl fs.inotify.max_user_instances=1024"

_CLOSE_ON_EXEC = os.O_CLOEXEC  # IN_CLOEXEC (inotify_init1(2))


class TooFewWatches(MeshError):
    """Other meshes, or other programs of this user, have too many of the instances that a mesh needs."""


def check(wanted: int) -> None:
    """TooFewWatches unless so many can be had now."""
    if (found := free(wanted)) < wanted:
        raise TooFewWatches(f"this mesh needs {wanted} inotify instances, and this user can have {found} more; {MORE}")


def free(wanted: int) -> int:
    """How many of so many can be had now: they are taken, and given back at once. All of them where Linux is not."""
    if sys.platform != "linux":
        return wanted
    with _taken(wanted) as found:
        return len(found)


@contextmanager
def _taken(wanted: int) -> Iterator[list[int]]:
    begin = ctypes.CDLL(None, use_errno=True).inotify_init1
    found: list[int] = []
    try:
        while len(found) < wanted and (descriptor := begin(_CLOSE_ON_EXEC)) >= 0:
            found.append(descriptor)
        yield found
    finally:
        for descriptor in found:
            os.close(descriptor)
