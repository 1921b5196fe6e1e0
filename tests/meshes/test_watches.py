"""How many inotify instances can be had."""

from __future__ import annotations

import re
import sys

import pytest

from meshtest.meshes.local.watches import TooFewWatches, check, free

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def test_what_is_free() -> None:
    """As many as are asked for, if there are so many; they are given back."""
    assert free(3) == 3
    few = free(100_000)
    assert 3 <= few < 100_000
    assert free(3) == 3
    check(3)


def test_too_many() -> None:
    """A mesh that needs more than there are is told how many there are, and what to do."""
    with pytest.raises(TooFewWatches, match=re.escape("sysctl fs.inotify.max_user_instances=1024")):
        check(100_000)
