"""The process: its plan, its commands, and its end."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from meshtest.bookinfo.plan import KINDS, PlanError, read_instances
from tests.bookinfo.workloads import Workloads, instance
from tests.traffic.scripted_server import Peer, Script, ScriptedServer

Run = Callable[..., Workloads]
COMMANDS = "add, behave, call, crash, observe, ping, prove, ready, record, recorded, recover, release, remove, restart, unready, waiting"


def start(first_line: bytes, **options: Any) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "meshtest.bookinfo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
    )
    assert process.stdin
    process.stdin.write(first_line)
    process.stdin.flush()
    return process


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Waits for the end of a process that is not our child."""
    deadline = time.monotonic() + 30
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def test_the_listening_line(run: Run) -> None:
    """Every socket is reported in the order of the plan, with the port that it got."""
    mesh = run(
        instance("a", "echo", listen=[["127.0.0.1", 0], ["127.0.0.1", 0]]),
        instance("b", "details"),
        instance("c", "ratings"),
    )
    names = [entry["name"].partition("-")[0] for entry in mesh.started["listening"]]
    assert names == ["a", "a", "b", "c"]
    ports = {entry["address"][1] for entry in mesh.started["listening"]}
    assert len(ports) == 4
    assert 0 not in ports
    for index in (0, 1):
        host, port = mesh.address("a", index)
        assert mesh.client.get(f"http://{host}:{port}/").json()["workload"] == "a"


@pytest.mark.skipif(sys.platform != "linux", reason="127/8 is loopback as a whole on Linux only")
def test_an_address_of_its_own(run: Run) -> None:
    """Instances on addresses of 127/8 can share a port."""
    first = run(instance("a", "echo", listen=[["127.0.0.1", 0]]))
    port = first.address("a")[1]
    second = run(instance("b", "echo", listen=[["127.77.3.9", port]]))
    assert second.address("b") == ("127.77.3.9", port)
    assert second.get("b", "/").json()["workload"] == "b"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"nonsense\n", "not a line of JSON"),
        (b"[]\n", "one JSON object"),
        (b'{"instances": [{"name": "a"}]}\n', "instances[0].kind is a string"),
        (b'{"instances": [{"name": "a", "kind": "x"}]}\n', "instances[0].kind is one of productpage, details"),
    ],
)
def test_a_wrong_plan_is_an_error_line(line: bytes, error: str) -> None:
    """What is wrong, and where, on one line of JSON; exit status 1."""
    with start(line) as process:
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert error in json.loads(out)["error"]


def test_an_address_in_use_is_an_error_line() -> None:
    """The error names the instance, the address and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        plan = {"instances": [instance("a", "echo"), instance("b", "echo", listen=[["127.0.0.1", port]])]}
        with start(json.dumps(plan).encode() + b"\n") as process:
            out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert json.loads(out) == {"error": f"b-6b5c7d8f9-x7k2p cannot listen on 127.0.0.1:{port}: Address already in use"}


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"instances": {}}, "instances is a list"),
        ({"instances": [1]}, r"instances\[0\] is an object"),
        ({"instances": [{"name": "", "kind": "echo", "listen": [["h", 1]]}]}, r"instances\[0\].name is a string"),
        ({"instances": [{"name": "a", "kind": "echo"}]}, r"listen is a list of"),
        ({"instances": [{"name": "a", "kind": "echo", "listen": [["h", 70000]]}]}, r"listen\[0\] is \[address, port\]"),
        ({"instances": [{"name": "a", "kind": "echo", "listen": [["h", True]]}]}, r"listen\[0\] is \[address, port\]"),
        ({"instances": [instance("a", "echo", upstreams={"b:1": "c"})]}, r"upstreams\['b:1'\] is \[address, port\]"),
        ({"instances": [instance("a", "echo", env=[])]}, r"env is an object"),
        ({"instances": [instance("a", "echo", lisen=[])]}, r"unknown members: lisen"),
        ({"instances": [instance("a", "echo")] * 2}, r"same name: a-6b5c7d8f9-x7k2p"),
    ],
)
def test_the_plan_is_checked(document: object, error: str) -> None:
    """Every mistake is named with its place."""
    with pytest.raises(PlanError, match=error):
        read_instances(document)


def test_every_kind_starts(run: Run) -> None:
    """Each kind of the plan has an application."""
    mesh = run(*(instance(f"{kind}-x", kind) for kind in KINDS))
    assert all(mesh.get(f"{kind}-x", "/health").status_code == 200 for kind in KINDS)


def test_ping(run: Run) -> None:
    """A ping names the running instances."""
    assert run(instance("a", "echo")).command("ping") == {"instances": ["a-6b5c7d8f9-x7k2p"]}


def test_adding_and_removing(run: Run) -> None:
    """Instances come and go while others run; an address is free again at once."""
    mesh = run(instance("a", "echo"))
    added = mesh.command("add", instances=[instance("b", "details"), instance("c", "echo")])
    mesh.started["listening"] += added["listening"]
    assert mesh.get("b", "/details/1").json()["id"] == 1
    removed = mesh.command("remove", instances=["b-6b5c7d8f9-x7k2p"])
    assert removed == {"removed": ["b-6b5c7d8f9-x7k2p"]}
    with pytest.raises(httpx.ConnectError):
        httpx.get(mesh.url("b"))
    host, port = mesh.address("b")
    again = mesh.command("add", instances=[instance("b", "echo", listen=[[host, port]])])
    assert again == {"listening": [{"name": "b-6b5c7d8f9-x7k2p", "address": [host, port]}]}
    assert mesh.get("b", "/").json()["workload"] == "b"
    assert mesh.get("a", "/").json()["workload"] == "a"


def test_adding_is_all_or_nothing(run: Run) -> None:
    """When one instance cannot start, none does, and the process goes on."""
    mesh = run(instance("a", "echo"))
    taken = list(mesh.address("a"))
    reply = mesh.command("add", instances=[instance("b", "echo"), instance("c", "echo", listen=[taken])])
    assert "c-6b5c7d8f9-x7k2p cannot listen" in reply["error"]
    assert mesh.command("add", instances=[instance("a", "echo")]) == {"error": "already running: a-6b5c7d8f9-x7k2p"}
    assert mesh.command("remove", instances=["a-6b5c7d8f9-x7k2p", "b"]) == {"error": "not running: b"}
    assert mesh.command("ping") == {"instances": ["a-6b5c7d8f9-x7k2p"]}
    assert mesh.get("a", "/").status_code == 200


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (
            b'{"id": 7, "command": "explode"}',
            {"id": 7, "error": f"unknown command 'explode'; there are {COMMANDS}"},
        ),
        (b'{"id": 7}', {"id": 7, "error": f"unknown command None; there are {COMMANDS}"}),
        (
            b'{"id": 7, "command": ["ping"]}',
            {"id": 7, "error": f"unknown command ['ping']; there are {COMMANDS}"},
        ),
        (b'{"id": 7, "command": "remove"}', {"id": 7, "error": "instances is a list of names of instances, not None"}),
        (b"[1]", {"id": None, "error": "a line holds one JSON object, not [1]"}),
    ],
)
def test_a_wrong_command_is_an_error_and_not_the_end(run: Run, line: bytes, reply: dict[str, object]) -> None:
    """The reply says what is wrong, and the next command is obeyed."""
    mesh = run(instance("a", "echo"))
    assert mesh.say_line(line) == reply
    assert "error" in mesh.say_line(b"nonsense")
    assert "instances" in mesh.command("ping")


def test_commands_in_one_piece_are_obeyed_in_order(run: Run) -> None:
    """Several lines at once, and a line in two pieces, are as many commands."""
    mesh = run(instance("a", "echo"))
    assert mesh.process.stdin
    assert mesh.process.stdout
    mesh.process.stdin.write(b'{"id": 1, "command": "ping"}\n\n{"id": 2, "command": "ping"}\n{"id": 3, "com')
    mesh.process.stdin.flush()
    assert [json.loads(mesh.process.stdout.readline())["id"] for _ in range(2)] == [1, 2]
    assert mesh.say_line(b'mand": "ping"}')["id"] == 3


def test_a_removed_instance_finishes_its_answers(run: Run, serve: Callable[[Script], ScriptedServer]) -> None:
    """A request under way is answered; idle connections close; new ones are refused."""
    asked, released = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        while peer.read_request() is not None:
            asked.set()
            released.wait(30)
            peer.send(b'HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{"ratings": {"Reviewer1": 3}}\n')

    mesh = run(instance("r", "reviews", "v2", upstreams={"ratings:9080": serve(slow).address}))
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(httpx.get(mesh.url("r", "/reviews/0"), timeout=30)))
    with socket.create_connection(mesh.address("r")) as idle:
        waiting.start()
        assert asked.wait(30)
        mesh.command("remove", instances=["r-6b5c7d8f9-x7k2p"])
        assert idle.recv(1) == b""
        with pytest.raises(httpx.ConnectError):
            httpx.get(mesh.url("r"))
        released.set()
        waiting.join()
    assert answers[0].headers["connection"] == "close"
    assert answers[0].json()["reviews"][0]["rating"] == {"stars": 3, "color": "black"}


def test_the_end_of_standard_input_ends_it(run: Run) -> None:
    """Also with connections open and requests under way."""
    mesh = run(instance("a", "echo"))
    with socket.create_connection(mesh.address("a")) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: ")
        assert mesh.close() == 0


def test_no_plan_at_all_is_no_error() -> None:
    """A parent that ends before it says anything leaves nothing behind."""
    with start(b"") as process:
        out, _ = process.communicate(timeout=30)
        assert out == b""
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_signals_that_end_it(run: Run, number: int) -> None:
    """SIGTERM ends it well; SIGKILL ends it."""
    with start(json.dumps({"instances": [instance("a", "echo")]}).encode() + b"\n") as process:
        assert process.stdout
        assert process.stdout.readline()
        process.send_signal(number)
        assert process.wait(timeout=30) == (0 if number == signal.SIGTERM else -signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_signals_that_do_not(run: Run, number: int) -> None:
    """Ctrl-C is the parent's to handle, and so is the end of the thread that started it while the parent lives."""
    mesh = run(instance("a", "echo"))
    mesh.process.send_signal(number)
    assert mesh.command("ping")
    assert mesh.get("a", "/").status_code == 200


PARENT = """
import subprocess, sys, threading, os
def start():
    global child
    child = subprocess.Popen([sys.executable, "-m", "meshtest.bookinfo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(sys.argv[1].encode() + b"\\n")
    child.stdin.flush()
    child.stdout.readline()
thread = threading.Thread(target=start)
thread.start()
thread.join()
if sys.argv[2] == "inherited":
    os.set_inheritable(child.stdin.fileno(), True)
    keeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdin=subprocess.PIPE, close_fds=False)
    print(child.pid, keeper.pid, flush=True)
else:
    print(child.pid, flush=True)
child.stdin.write(b'{"id": 1, "command": "ping"}\\n')
child.stdin.flush()
print(child.stdout.readline().decode().strip(), flush=True)
threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
@pytest.mark.parametrize("pipe", ["own", "inherited"])
def test_it_dies_with_its_parent(pipe: str) -> None:
    """After kill -9 of the parent, also when another process holds the pipe's end; but not with the thread that started it."""
    plan = json.dumps({"instances": [instance("a", "echo")]})
    with subprocess.Popen([sys.executable, "-c", PARENT, plan, pipe], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        try:
            assert json.loads(parent.stdout.readline())["instances"] == ["a-6b5c7d8f9-x7k2p"]
            assert alive(pids[0])
            parent.kill()
            assert gone(pids[0])
        finally:
            parent.kill()
            for pid in filter(alive, pids):
                os.kill(pid, signal.SIGKILL)


def test_a_file_as_standard_input_is_refused(tmp_path: Path) -> None:
    """Its end would come at once: the error says what is meant."""
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"instances": [instance("a", "echo")]}) + "\n")
    with plan.open() as file:
        ended = subprocess.run([sys.executable, "-m", "meshtest.bookinfo"], stdin=file, capture_output=True, timeout=30)
    assert ended.returncode == 1
    assert "standard input is a pipe" in json.loads(ended.stdout)["error"]


def test_more_connections_than_the_soft_limit_of_files(run: Run) -> None:
    """The process takes as many descriptors as the system allows it, not the 1,024 of the usual soft limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (32, {most})); "
    limited = limit + "os.execv(sys.executable, [sys.executable, '-m', 'meshtest.bookinfo'])"
    plan = json.dumps({"instances": [instance(f"i{number}", "echo") for number in range(100)]}).encode() + b"\n"
    ended = subprocess.run([sys.executable, "-c", limited], input=plan, capture_output=True, timeout=30)
    assert len(json.loads(ended.stdout)["listening"]) == 100
