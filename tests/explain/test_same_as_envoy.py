"""What explain says is what Envoy does: the same requests, told and sent."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from meshtest.explain.call import call
from meshtest.explain.hop import Explanation, Hop
from meshtest.explain.journey import explain
from meshtest.explain.path import normalized
from meshtest.explain.text import lines
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.resources.manifest import check, read_objects
from meshtest.topology.default import default_topology
from meshtest.traffic.request import GET
from meshtest.translate.cluster_name import PASSTHROUGH
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.explain.worlds import CALLER, MANIFESTS, REQUESTS, Asked, Json, shown, worlds

Address = tuple[str, int]


class Clients:
    """Connections that are kept; requests go out byte for byte as they are written."""

    def __init__(self) -> None:
        self._open: dict[Address, tuple[socket.socket, Any]] = {}

    def ask(self, address: Address, asked: Asked) -> Answer:
        """Send a request, and read its answer."""
        lines = [f"{asked.method} {asked.target} HTTP/1.1", f"Host: {asked.host}"]
        lines += [f"{name}: {value}" for name, value in asked.headers]
        if address not in self._open:
            made = socket.create_connection(address, timeout=20)
            self._open[address] = (made, made.makefile("rb"))
        connection, incoming = self._open[address]
        connection.sendall("\r\n".join([*lines, "content-length: 0", "", ""]).encode())
        status = int(incoming.readline().split()[1])
        headers = {}
        while line := incoming.readline().strip().decode("latin-1"):
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = incoming.read(int(headers.get("content-length", 0)))
        if headers.get("connection") == "close":
            self.close(address)
        return Answer(status, headers, body)

    def close(self, address: Address) -> None:
        """Close one connection."""
        for each in self._open.pop(address, ()):
            each.close()

    def close_all(self) -> None:
        """Close all: listeners may be others now."""
        for address in [*self._open]:
            self.close(address)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def echo(self) -> Json:
        """What a workload says of the request that it got; empty if none answered."""
        return dict(json.loads(self.body)) if self.body.startswith(b"{") else {}


@pytest.fixture(scope="session")
def echoes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh of echoing workloads, one for all tests of a process."""
    manifests = tmp_path_factory.mktemp("echoes") / "manifests.yaml"
    manifests.write_text(MANIFESTS)
    mesh = LocalMesh(default_topology([manifests]))
    try:
        mesh.wait_ready()
        yield mesh
    finally:
        mesh.close()


def entered(mesh: LocalMesh, asked: Asked) -> Address | None:
    """Where a request is to be sent; None where the mesh knows that nothing would answer in a cluster."""
    try:
        return (mesh.leave(CALLER, GET(f"http://{asked.host}/")) if asked.inside else mesh.enter(GET("/"))).address
    except ValueError as error:
        assert "has no port" in str(error)
        return None


def told(snapshot: Snapshot, asked: Asked) -> Explanation:
    """What explain says of a request."""
    source = Proxy(snapshot.topology.names[CALLER][0]) if asked.inside else None
    where = asked.host if asked.inside else "gateway.example.com"
    return explain(
        snapshot, call(f"http://{where}{asked.target}", asked.method, [("Host", asked.host), *asked.headers]), source
    )


def rule(hop: Hop) -> str | None:
    """The rule that decides, as it tells itself in its header: `vs0/2`."""
    found = re.search(r"default/(vs\d+) spec\.http\[(\d+)\]", hop.rule.name if hop.rule else "")
    return f"{found[1]}/{found[2]}" if found else None


def differences(found: Explanation, answer: Answer, asked: Asked) -> Iterator[str]:
    """Where the two do not agree."""
    hop = found.first
    if answer.status == 403 and depends(hop):
        return
    if hop.end:
        expected = hop.end
        if answer.status != expected.status:
            yield f"status {answer.status}, not {expected.status}: {expected.says}"
        to = re.match(r"redirect to (\S+)", expected.says)
        if to and answer.headers.get("location") != to[1]:
            yield f"location {answer.headers.get('location')}, not {to[1]}"
        if expected.status not in (400, 403) and answer.headers.get("x-rule") != rule(hop):
            yield f"rule {answer.headers.get('x-rule')}, not {rule(hop)}"
        return
    if answer.headers.get("x-rule") != rule(hop):
        yield f"rule {answer.headers.get('x-rule')}, not {rule(hop)}"
    yield from _sent_on(hop, answer, asked)


def _sent_on(hop: Hop, answer: Answer, asked: Asked) -> Iterator[str]:
    """Which workloads may answer, with which statuses, and what they were asked."""
    ends = {end.status for each in hop.onward for end in each.ends()}
    if answer.status not in {status or 200 for status in ends}:
        yield f"status {answer.status}, which is none of {ends}"
    if answer.status != 200:
        return
    pods = {pod.instance.name for each in hop.onward for pod in each.destination.endpoints if pod.instance}
    if any(each.destination.cluster == PASSTHROUGH for each in hop.onward):
        pods.add("outside")
    if answer.echo.get("podname") not in pods:
        yield f"answered by {answer.echo.get('podname')}, which is none of {pods}"
    else:
        path = becomes(hop, "path") or normalized(asked.target)
        if answer.echo["podname"] != "outside":
            path = normalized(path or "")  # by the sidecar that hands it in
        if answer.echo["path"] != path:
            yield f"the workload got the path {answer.echo['path']}, not {path}"
        host = becomes(hop, "host") or asked.host
        if answer.echo["host"] != host:
            yield f"the workload got the host {answer.echo['host']}, not {host}"


def depends(hop: Hop) -> bool:
    """Whether a policy on the way asks for what is known only when the request is sent."""
    return any("depends" in each for each in hop.policies) or any(
        depends(behind) for each in hop.onward for behind in each.hops
    )


def becomes(hop: Hop, what: str) -> str | None:
    """What the explanation says that a part of the request becomes."""
    return next((each.how.removeprefix("becomes ") for each in hop.applied if each.what == what), None)


@settings(
    deadline=None,
    max_examples=60,
    phases=[Phase.explicit, Phase.generate],  # what fails is shown whole
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(worlds(), st.lists(REQUESTS, min_size=40, max_size=60))
def test_the_same_answer(echoes: LocalMesh, world: list[Json], requests: list[Asked]) -> None:
    """For any rules and requests: the status, the rule that decides, who answers, and what they were asked."""
    resources = check(read_objects(world))
    echoes.put({each.key: each for each in resources})
    snapshot = Snapshot(echoes.topology, resources)
    clients = Clients()
    try:
        for asked in requests:
            found, address = told(snapshot, asked), entered(echoes, asked)
            if address is None:
                assert found.taken is False, "\n".join([*lines(found), shown(world)])
                continue
            answer = clients.ask(address, asked)
            wrong = [*differences(found, answer, asked)]
            assert not wrong, "\n".join([*wrong, *lines(found), repr(answer), shown(world)])
    finally:
        clients.close_all()
