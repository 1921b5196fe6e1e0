"""Runs of pytest that are killed or interrupted in the middle of a test, and what becomes of what they had in force."""

import signal
import subprocess
import sys

import pytest

from .places import snapshot
from .runs import HOLDING


@pytest.fixture
def holding(existing, tests):
    """A test that holds, with an object of others that it changes."""
    tests.write(test_holding=HOLDING, test_nothing="def test_nothing(mesh): pass")
    return tests


def in_force(api, namespace):
    """Whether the test's manifest is, and what a run has besides."""
    kinds = {each["kind"] for each in snapshot(api, namespace)}
    return {"Gateway", "VirtualService", "EnvoyFilter", "Lease"} <= kinds


def test_killed_and_cleaned(api, shop, holding):
    """`kill -9`, then `meshtest clean`."""
    before = snapshot(api, shop)
    with holding.begun("test_holding.py") as running:
        running.wait_until_in_force()
        assert in_force(api, shop)
        running.process.kill()
        assert running.end().status == -signal.SIGKILL
    assert in_force(api, shop)
    command = ["clean", "--kube-context", holding.context, "--mesh-namespace", shop]
    done = subprocess.run([sys.executable, "-m", "meshtest", *command], capture_output=True, text=True)
    assert done.returncode == 0, done
    assert f"restored DestinationRule {shop}/reviews" in done.stdout
    assert f"deleted  Gateway {shop}/edge" in done.stdout
    assert snapshot(api, shop) == before


def test_killed_and_run_again(api, shop, holding):
    """`kill -9`, then another run, which waits for the end of the Lease and restores before its first test."""
    with holding.begun("test_holding.py") as running:
        running.wait_until_in_force()
        running.process.kill()
        running.end()
    assert in_force(api, shop)
    ended = holding.run("test_nothing.py")
    assert ended.status == 0, ended.text


@pytest.mark.parametrize("workers", [0, 2])
def test_interrupted(api, shop, holding, workers):
    """Ctrl-C restores at once, also with workers."""
    with holding.begun("test_holding.py", "-n", workers) as running:
        running.wait_until_in_force()
        assert in_force(api, shop)
        running.interrupt()
        ended = running.end()
    assert ended.status == 2, ended.text
    assert not in_force(api, shop)
