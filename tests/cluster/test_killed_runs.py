"""Runs that are killed: whoever comes next finds what they left in the cluster itself, and takes it back."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from meshtest.meshes.kubernetes.claim import Claim
from meshtest.meshes.kubernetes.lease import HeldByAnother
from meshtest.meshes.kubernetes.objects import Objects
from meshtest.meshes.kubernetes.remains import mend

from .places import HASH, manifest, rule, shared, snapshot

MOST = 60  # requests that change something; a scenario has fewer


def child(do, context, namespace, left=-1, **how):
    command = [sys.executable, "-m", f"{__package__}.killed", do, context, namespace, str(left)]
    return subprocess.Popen(command, **how)


def killed(do, context, namespace, left):
    """Whether it was killed before it ended."""
    with child(do, context, namespace, left) as process:
        status = process.wait(60)
    assert status in (0, -signal.SIGKILL)
    return status != 0


def test_a_run_killed_at_any_moment_is_mended(api, context, namespace):
    """Before each of its changes; also in a record of several parts."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    for left in range(MOST):
        alive = not killed("put", context, namespace, left)
        mend(api, namespace)
        assert snapshot(api, namespace) == before, left
        if alive:
            break
    assert 15 < left < MOST - 1


def test_a_killed_mending_is_mended(api, context, namespace):
    """Before each of its changes."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    extra = manifest(namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}, data: {a: b}}")
    for left in range(MOST):
        Objects(api, f"run-{left}", [namespace]).put(rule(namespace, **HASH) | extra)
        alive = not killed("mend", context, namespace, left)
        mend(api, namespace)
        assert snapshot(api, namespace) == before, left
        if alive:
            break
    assert 4 < left < MOST - 1


def test_a_run_killed_in_the_middle_of_a_request_is_mended(api, context, namespace):
    """At random times; whether the server has carried it out is anyone's guess."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    for _ in range(10):
        with child("put", context, namespace) as process:
            time.sleep(0.4 + random.random() * 0.6)  # from the start of the interpreter to the end of the run
            process.kill()
        mend(api, namespace)
        assert snapshot(api, namespace) == before


def test_one_run_at_a_time(api, context, namespace):
    """The second says who holds the namespace; a killed run's is taken over, and what it left goes back first."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    with child("claim", context, namespace, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"in force\n"
        with pytest.raises(HeldByAnother, match=rf"run run-1 \(.*process {process.pid}\), since 20"):
            Claim(api, "run-2", [namespace])
        process.kill()
    with Claim(api, "run-2", [namespace]) as claim:
        assert [(each.action, each.run) for each in claim.mended] == [("restored", "run-1")]
        claim.check()
    assert snapshot(api, namespace) == before


def test_a_run_that_stood_still_changes_nothing_any_more(api, context, namespace):
    """It learns that another has the namespace, and what became of what it had in force."""
    shared(api, namespace)
    with child("claim", context, namespace, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"in force\n"
        process.send_signal(signal.SIGSTOP)
        with Claim(api, "run-2", [namespace]):
            before = snapshot(api, namespace)
            process.send_signal(signal.SIGCONT)
            told, _ = process.communicate(b"\n", 60)
            assert re.match(rf"HeldByAnother: .* taken over: run run-2 .*process {os.getpid()}", told.decode())
            assert unleased(snapshot(api, namespace)) == unleased(before)


def unleased(found):
    """A Lease is renewed all the time."""
    return [each for each in found if each["kind"] != "Lease"]


def test_the_second_waits_for_the_first(api, namespace):
    """And has it when that ends."""
    first = Claim(api, "run-1", [namespace])
    timer = threading.Timer(2, first.close)
    timer.start()
    with Claim(api, "run-2", [namespace], wait=60) as second:
        second.check()
    timer.join()
