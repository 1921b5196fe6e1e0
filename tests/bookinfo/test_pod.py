"""A stand-in that is a pod: what it is, how it is commanded, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import pytest

from meshtest.bookinfo.custody import Custody
from meshtest.bookinfo.plan import PlanError
from meshtest.bookinfo.pod import read_pod
from tests.bookinfo.pod_process import Client, Pod

ENVIRONMENT = {
    "MESHTEST_POD": "reviews-v2-abc",
    "MESHTEST_NAMESPACE": "town",
    "MESHTEST_APP": "reviews",
    "MESHTEST_VERSION": "v2",
    "MESHTEST_STAND_IN": '{"kind": "reviews", "workload": "reviews-v2", "listen": [["0.0.0.0", 9080]]}',
}
FAILS = {"kind": "fails", "status": 503}


def until(fact: Callable[[], bool]) -> None:
    """Waits for a fact."""
    deadline = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def test_what_it_is() -> None:
    """Its environment says it: the manifest what is the same for all pods, the downward API the rest; names are looked up by DNS."""
    pod = read_pod(ENVIRONMENT)
    assert (pod.name, pod.says, pod.kind, pod.workload) == (
        "reviews-v2-abc.town",
        "reviews-v2-abc",
        "reviews",
        "reviews-v2",
    )
    assert (pod.app, pod.version, pod.namespace) == ("reviews", "v2", "town")
    assert [each.address for each in pod.listen] == [("0.0.0.0", 9080)]
    assert pod.upstreams is None
    assert pod.env == ENVIRONMENT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"MESHTEST_POD": ""}, "MESHTEST_POD must be set; `meshtest bookinfo`"),
        ({"MESHTEST_STAND_IN": ""}, "MESHTEST_STAND_IN must be set"),
        ({"MESHTEST_STAND_IN": "{"}, "MESHTEST_STAND_IN: not a line of JSON"),
        ({"MESHTEST_STAND_IN": '{"kind": "echo"}'}, "listen is a list of"),
    ],
)
def test_what_it_cannot_be(change: dict[str, str], said: str) -> None:
    """An environment that does not tell is an error that says what to do."""
    with pytest.raises(PlanError, match=said):
        read_pod({**ENVIRONMENT, **change})


def test_an_error_is_the_end() -> None:
    """A pod that does not know what it is says so in its log, and its container ends."""
    ran = subprocess.run(
        [sys.executable, "-m", "meshtest.bookinfo", "pod"], env=os.environ, capture_output=True, timeout=30
    )
    assert ran.returncode == 1
    assert "must be set" in json.loads(ran.stdout)["error"]


def test_a_port_that_is_taken() -> None:
    """Two pods in one network: the second says which port it cannot have."""
    with Pod() as pod:
        arguments = ["--commands", "0", "--relay", "0", "--probe", str(pod.said["probe"])]
        environment = {**os.environ, **ENVIRONMENT, "MESHTEST_STAND_IN": '{"kind": "echo", "listen": []}'}
        ran = subprocess.run(
            [sys.executable, "-m", "meshtest.bookinfo", "pod", *arguments],
            env=environment,
            capture_output=True,
            timeout=30,
        )
        assert (ran.returncode, ran.stderr) == (1, b"")
        assert "own ports cannot be had" in json.loads(ran.stdout)["error"]


def test_it_answers() -> None:
    """As the local stand-in does."""
    with Pod() as pod:
        answer = pod.get("/a").json()
        assert (answer["podname"], answer["namespace"], answer["version"], answer["path"]) == (
            pod.name,
            "town",
            "v1",
            "/a",
        )


def test_names_are_looked_up() -> None:
    """Services are called by their names, as DNS has them, and headers are handed on."""
    with Pod("ratings-v1-abc", kind="echo") as ratings:
        called = {"RATINGS_HOSTNAME": "localhost", "RATINGS_SERVICE_PORT": str(ratings.port())}
        with Pod("reviews-v2-abc", kind="reviews", env=called) as reviews, Client(ratings) as client:
            client.say("hello", owner="a")
            client.tell("record", number=1)
            assert reviews.client.get(reviews.url("/reviews/0"), headers={"end-user": "jason"}).status_code == 200
            [seen] = client.tell("recorded", number=1, end=True)["recorded"][ratings.full_name]
            assert seen["target"] == "/ratings/0"
            assert ["end-user", "jason"] in seen["headers"]


def test_a_name_that_is_unknown() -> None:
    """No address, no answer: reviews says that ratings is unavailable."""
    called = {"RATINGS_HOSTNAME": "nowhere.invalid"}
    with Pod("reviews-v3-abc", kind="reviews", env=called) as reviews:
        assert "currently unavailable" in reviews.get("/reviews/0").text


def test_readiness() -> None:
    """The probe is answered 503 while the pod is told to be unready; requests are answered all the same."""
    with Pod() as pod, Client(pod) as client:
        client.say("hello", owner="a")
        assert pod.probe() == 200
        client.tell("unready")
        assert (pod.probe(), pod.get().status_code) == (503, 200)
        client.tell("ready")
        assert pod.probe() == 200


def test_a_crash_leaves_it_ready() -> None:
    """The workload's ports refuse; the container, its probe and its commands stay."""
    with Pod() as pod, Client(pod) as client:
        client.say("hello", owner="a")
        client.tell("crash")
        with pytest.raises(httpx.TransportError):
            pod.get()
        assert pod.probe() == 200
        client.tell("restart")
        assert pod.get().status_code == 200


def test_the_first_command() -> None:
    """Who does not say who they are is told so, and hung up on."""
    with Pod() as pod, Client(pod) as client, Client(pod) as other:
        assert client.say("ping")["error"] == "the first command is hello, with an owner"
        assert client.at_end()
        other.send("nonsense")
        assert "not a line of JSON" in other.hear()["error"]


def test_another_owner() -> None:
    """The pod is the last one's who came: what others told it is taken back, and they are told when they ask for more."""
    with Pod() as pod, Client(pod) as first, Client(pod) as second:
        assert first.say("hello", owner="a")["resumed"] is False
        first.tell("behave", number=1, behaviour=FAILS)
        first.tell("unready")
        first.tell("crash")
        assert second.say("hello", owner="b")["resumed"] is False
        assert (pod.get().status_code, pod.probe()) == (200, 200)
        assert first.tell("observe")["error"] == "b has taken over from a"
        assert second.observe()["behaviours"] == {}


def test_the_same_owner() -> None:
    """Several connections of one owner are one; a command that it repeats is obeyed once."""
    with Pod() as pod, Client(pod) as first, Client(pod) as second:
        first.say("hello", owner="a")
        first.tell("behave", again="x", number=1, behaviour=FAILS)
        assert second.say("hello", owner="a")["resumed"] is True
        assert "error" not in second.tell("behave", again="x", number=1, behaviour=FAILS)
        assert "has a behaviour 1 already" in second.tell("behave", number=1, behaviour=FAILS)["error"]
        assert pod.get().status_code == 503


def test_custody_lapses() -> None:
    """Once its owner has stayed away, a pod takes back what it was told; one that comes back in time finds it as it was."""

    async def story(patience: float, back: bool) -> list[str]:
        happened: list[str] = []

        async def restore() -> None:
            happened.append("restored")
            gone.set()

        gone = asyncio.Event()
        custody = Custody(restore, patience)
        first = await custody.enter("a")
        assert not first.resumed
        other, again = await custody.enter("b"), await custody.enter("a")
        assert not other.resumed
        assert not again.resumed
        for before in (first, other):  # connections from before it was taken over
            custody.leave(before)
        assert not custody.lapsing
        gone.clear()
        second = await custody.enter("a")
        assert second.resumed
        custody.leave(second)
        assert not custody.lapsing
        custody.leave(again)
        assert custody.lapsing
        if back:
            assert (await custody.enter("a")).resumed
        else:
            await asyncio.wait_for(gone.wait(), 30)
            assert custody.owner is None
            assert not (await custody.enter("a")).resumed
        return happened

    assert asyncio.run(story(600, back=True)) == ["restored"] * 3
    assert asyncio.run(story(0.01, back=False)) == ["restored"] * 5


def test_times() -> None:
    """Replies tell the pod's clock, that of what it has recorded."""
    with Pod() as pod, Client(pod) as client:
        before = client.say("hello", owner="a")["time"]
        client.tell("record", number=1)
        pod.get()
        reply = client.tell("recorded", number=1)
        assert before <= reply["recorded"][pod.full_name][0]["time"] <= reply["time"]


def test_waiting() -> None:
    """How long each held request has waited, the longest first."""
    with Pod() as pod, Client(pod) as client:
        client.say("hello", owner="a")
        client.tell("behave", number=7, behaviour={"kind": "holds"})
        with pod.ask():
            until(lambda: client.observe()["held"] == 1)
            with pod.ask():
                until(lambda: client.observe()["held"] == 2)
                first, second = client.tell("waiting", number=7)["waiting"][pod.full_name]
                assert first > second > 0


def test_what_is_restored_leaves_counters() -> None:
    """What a pod was told is taken back; what it has seen, it has."""
    with Pod() as pod, Client(pod) as client, Client(pod) as other:
        client.say("hello", owner="a")
        client.tell("record", number=1)
        pod.get()
        other.say("hello", owner="b")
        assert other.observe()["requests"] == 1
        assert other.tell("recorded", number=1)["recorded"] == {pod.full_name: []}


def test_its_end() -> None:
    """At SIGTERM it is unready at once, answers what still comes and what a behaviour holds, hangs up on the idle, and ends well."""
    with Pod(quiet=2.0) as pod, Client(pod) as client:
        client.say("hello", owner="a")
        client.tell("behave", number=1, behaviour={"kind": "holds", "count": 1})
        with pod.ask() as asking:
            until(lambda: client.observe()["held"] == 1)
            pod.terminate()
            until(lambda: pod.probe() == 503)
            assert pod.get().status_code == 200
            assert asking.recv(1000).startswith(b"HTTP/1.1 200 ")
            assert asking.recv(1000) == b""
        assert pod.process.wait(30) == 0
        assert client.at_end()
