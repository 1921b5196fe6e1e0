"""The command channel to a pod, and those to several, over connections that break."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.channel import Channel
from meshtest.meshes.kubernetes.channels import Channels, merged, oldest
from tests.bookinfo.pod_process import Pod

FAILS = {"kind": "fails", "status": 503}


class Breaking:
    """A way to a pod that breaks when it is told to: before a line is delivered, or when its reply is on the way back."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self.made = 0
        self.break_at = ""
        self._ends: list[socket.socket] = []

    def __call__(self) -> socket.socket:
        here, there = socket.socketpair()
        pod = self._pod.connect()
        self.made += 1
        self._ends += [there, pod]
        threading.Thread(target=self._carry, args=(there, pod), daemon=True).start()
        return here

    def _carry(self, there: socket.socket, pod: socket.socket) -> None:
        with there, pod, there.makefile("rb") as lines, pod.makefile("rb") as replies:
            for line in lines:
                if self._breaks("before"):
                    return
                pod.sendall(line)
                reply = replies.readline()
                if self._breaks("after"):
                    return
                there.sendall(reply)

    def _breaks(self, when: str) -> bool:
        breaks = self.break_at == when
        if breaks:
            self.break_at = ""
        return breaks


@contextmanager
def channel(pod: Pod, connect: Callable[[], socket.socket] | None = None, owner: str = "run-1") -> Iterator[Channel]:
    channel = Channel(connect or pod.connect, f"town/{pod.name}", owner)
    try:
        yield channel
    finally:
        channel.close()


def test_commands() -> None:
    """A command is answered; one that is refused is an error that says by whom and why."""
    with Pod() as pod, channel(pod) as to_pod:
        to_pod.command("behave", instances=[pod.full_name], number=1, behaviour=FAILS)
        assert pod.get().status_code == 503
        with pytest.raises(
            MeshError, match=r"stand-in of pod town/echo-v1-abc refuses to behave: .* has a behaviour 1 already"
        ):
            to_pod.command("behave", instances=[pod.full_name], number=1, behaviour=FAILS)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_that_breaks(when: str) -> None:
    """A command is obeyed once, whether it or its reply was lost."""
    with Pod() as pod:
        breaking = Breaking(pod)
        with channel(pod, breaking) as to_pod:
            to_pod.command("ping")
            breaking.break_at = when
            to_pod.command("behave", instances=[pod.full_name], number=1, behaviour=FAILS)
            assert breaking.made == 2
            assert pod.get().status_code == 503
            breaking.break_at = when
            assert to_pod.command("recover", instances=[pod.full_name], numbers=[1])["decided"] == 1


def test_nobody_answers() -> None:
    """Where no stand-in listens the error says so."""

    def nobody() -> socket.socket:
        here, there = socket.socketpair()
        there.close()
        return here

    with (
        Pod() as pod,
        channel(pod, nobody) as to_pod,
        pytest.raises(MeshError, match=r"does not answer .*: does it run one\?"),
    ):
        to_pod.command("ping")


def test_a_pod_that_forgot() -> None:
    """A container that was started anew knows nothing of what it was told: that is an error, and only once."""
    with Pod() as first, Pod() as second:
        pods = [first]
        with channel(first, lambda: pods[-1].connect()) as to_pod:
            to_pod.command("behave", instances=[first.full_name], number=1, behaviour=FAILS)
            first.process.kill()
            first.process.wait()
            pods.append(second)
            with pytest.raises(MeshError, match="has forgotten what it was told"):
                to_pod.command("ping")
            to_pod.command("ping")


def test_a_beat_hides_nothing() -> None:
    """A beat of the heart keeps the connection, or makes it anew; what a pod has forgotten meanwhile the next command says."""
    with Pod() as first, Pod() as second:
        pods = [first]
        with channel(first, lambda: pods[-1].connect()) as to_pod:
            to_pod.command("ping")
            to_pod.beat()
            first.process.kill()
            first.process.wait()
            to_pod.beat()
            pods.append(second)
            to_pod.beat()
            to_pod.beat()
            with pytest.raises(MeshError, match="has forgotten what it was told"):
                to_pod.command("ping")


def test_two_owners() -> None:
    """The second takes over; the first is told when it asks."""
    with Pod() as pod, channel(pod) as first, channel(pod, owner="run-2") as second:
        first.command("ping")
        second.command("ping")
        with pytest.raises(MeshError, match="run-2 has taken over from run-1"):
            first.command("ping")


def test_clocks() -> None:
    """The pod's clock is told from ours to half the time that the quickest exchange takes; here they are the same clock."""
    with Pod() as pod, channel(pod) as to_pod:
        began = time.monotonic()
        to_pod.command("ping")
        assert abs(to_pod.offset) <= time.monotonic() - began


@contextmanager
def channels(*pods: Pod) -> Iterator[Channels]:
    named = {pod.full_name: pod for pod in pods}
    found = Channels(lambda name: Channel(named[name].connect, name, "run-1"))
    try:
        yield found
    finally:
        found.close()


def test_several_pods() -> None:
    """A command for several goes to each; the replies are one."""
    with Pod("echo-v1-a") as one, Pod("echo-v1-b") as two, channels(one, two) as both:
        names = [one.full_name, two.full_name]
        assert both.command("behave", instances=names, number=1, behaviour=FAILS) == {}
        both.command("record", instances=names, number=2)
        before = time.monotonic()
        assert [each.get().status_code for each in (one, two, two)] == [503] * 3
        recorded = both.command("recorded", instances=names, number=2, end=True)["recorded"]
        assert {name: len(seen) for name, seen in recorded.items()} == {one.full_name: 1, two.full_name: 2}
        [seen] = recorded[one.full_name]
        assert before - 1 < seen["time"] < time.monotonic() + 1
        assert both.command("recover", instances=names) == {"decided": 3}


def test_the_oldest_are_released() -> None:
    """Of what several pods hold, those that have waited longest are let go."""
    with Pod("echo-v1-a") as one, Pod("echo-v1-b") as two, channels(one, two) as both:
        names = [one.full_name, two.full_name]
        both.command("behave", instances=names, number=1, behaviour={"kind": "holds"})
        asking = []
        for number, pod in enumerate((one, two, one, two), 1):
            asking.append(pod.ask())
            while sum(each["held"] for each in both.command("observe", instances=names)["observed"].values()) < number:
                time.sleep(0.01)
        try:
            assert both.command("release", instances=names, number=1, most=3) == {"released": 3}
            observed = both.command("observe", instances=names)["observed"]
            assert {name: each["held"] for name, each in observed.items()} == {one.full_name: 0, two.full_name: 1}
            assert both.command("release", instances=names, number=1, most=3) == {"released": 1}
            assert both.command("release", instances=names, number=1, most=3) == {"released": 0}
        finally:
            for each in asking:
                each.close()


def test_one_pod_of_several_fails() -> None:
    """The error of one is that of all; it names the pod."""
    with Pod("echo-v1-a") as one, Pod("echo-v1-b") as two, channels(one, two) as both:
        both.command("behave", instances=[two.full_name], number=1, behaviour=FAILS)
        with pytest.raises(MeshError, match=r"stand-in of pod echo-v1-b\.town refuses to behave"):
            both.command("behave", instances=[one.full_name, two.full_name], number=1, behaviour=FAILS)


AGES = st.dictionaries(st.sampled_from("abcd"), st.lists(st.floats(0, 100), max_size=5), min_size=1)


@given(AGES, st.integers(0, 25))
def test_whose_are_the_oldest(ages: dict[str, list[float]], most: int) -> None:
    """As many as were asked for, if there are so many; none that stays is older than one that goes."""
    shares = oldest(ages, most)
    assert sum(shares.values()) == min(most, sum(map(len, ages.values())))
    ranked = {pod: sorted(each, reverse=True) for pod, each in ages.items()}
    going = [age for pod, each in ranked.items() for age in each[: shares[pod]]]
    staying = [age for pod, each in ranked.items() for age in each[shares[pod] :]]
    assert not going or not staying or min(going) >= max(staying)


@given(st.lists(st.tuples(st.integers(), st.dictionaries(st.uuids(), st.integers()))))
def test_replies_as_one(given: list[tuple[int, dict[object, int]]]) -> None:
    """Numbers are added, and what is told by pod is put together."""
    found = merged({"decided": number, "observed": told} for number, told in given)
    assert found.get("decided", 0) == sum(number for number, _ in given)
    assert found.get("observed", {}) == {pod: seen for _, told in given for pod, seen in told.items()}
