"""One pod of a cluster: what it is says its environment, when it ends Kubernetes.

| variable | says |
|---|---|
| ``MESHTEST_POD``, ``MESHTEST_NAMESPACE`` | the pod's name and namespace (by the downward API) |
| ``MESHTEST_APP``, ``MESHTEST_VERSION`` | its labels ``app`` and ``version`` (by the downward API) |
| ``MESHTEST_STAND_IN`` | the rest, as in a plan (`meshtest.bookinfo.plan`): ``{"kind": "reviews", "listen": [["0.0.0.0", 9080]]}`` |

What it calls it finds by DNS. `meshtest bookinfo` prints manifests with all of it. Besides the workload's ports there are those of `PORTS`.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from meshtest.bookinfo.command_port import CommandPort
from meshtest.bookinfo.control import read_message, write
from meshtest.bookinfo.custody import Custody
from meshtest.bookinfo.host import Host
from meshtest.bookinfo.message import Request, Response, json_response
from meshtest.bookinfo.plan import Instance, PlanError, read_instances
from meshtest.bookinfo.ports import COMMANDS, PROBE, RELAY
from meshtest.bookinfo.relay import Relay
from meshtest.bookinfo.server import Connections, ServerConnection

STAND_IN, POD, NAMESPACE, APP, VERSION = (
    f"MESHTEST_{name}" for name in ("STAND_IN", "POD", "NAMESPACE", "APP", "VERSION")
)
PORTS = {"commands": COMMANDS, "relay": RELAY, "probe": PROBE}

# Kubernetes ends a pod and tells proxies so at the same time: until they know, requests still come. It kills after 30 seconds.
QUIET = 2.0  # seconds without a request, after which none is expected any more
_LINGER, _DRAIN = 15.0, 10.0  # seconds, at the most, for requests to stay out, and for those under way
_LOOK = 0.05


def read_pod(environment: Mapping[str, str]) -> Instance:
    """What a pod is by its environment. Raises `PlanError`."""
    if missing := [name for name in (STAND_IN, POD, NAMESPACE) if not environment.get(name)]:
        raise PlanError(f"{', '.join(missing)} must be set; `meshtest bookinfo` prints manifests that do it")
    try:
        given = read_message(environment[STAND_IN].encode())
    except PlanError as error:
        raise PlanError(f"{STAND_IN}: {error}") from error
    pod, namespace = environment[POD], environment[NAMESPACE]
    labels = {"app": environment.get(APP, ""), "version": environment.get(VERSION, "")}
    named = {"name": f"{pod}.{namespace}", "podname": pod, "namespace": namespace, **labels}
    [instance] = read_instances({"instances": [{**given, **named}]})
    return replace(instance, env=dict(environment), upstreams=None)


class Probe:
    """The application that Kubernetes asks whether the pod is ready, on whatever path."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.ending = False

    def answer(self, request: Request) -> Response:
        """200 or 503."""
        ready = self._host.ready and not self.ending
        return json_response({"ready": ready}, 200 if ready else 503)


@dataclass
class Pod:
    """A running one."""

    quiet: float
    host: Host = field(default_factory=Host)
    relay: Relay = field(default_factory=Relay)
    servers: dict[str, asyncio.Server] = field(default_factory=dict)
    listening: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._probe = Probe(self.host)
        self._commands = CommandPort(self.host, Custody(self.host.restore))

    async def start(self, instance: Instance, ports: Mapping[str, int]) -> None:
        """Listens. Raises `PlanError` for an address that cannot be had."""
        self.listening = await self.host.add([instance])
        loop, connections = asyncio.get_running_loop(), Connections()
        try:
            self.servers["commands"] = await self._commands.open(ports["commands"])
            self.servers["relay"] = await self.relay.open(ports["relay"])
            self.servers["probe"] = await loop.create_server(
                lambda: ServerConnection(self._probe, connections), "0.0.0.0", ports["probe"]
            )
        except OSError as error:
            raise PlanError(f"the pod's own ports cannot be had: {error.strerror or error}") from error

    async def end(self) -> None:
        """Ends as Kubernetes expects it: unready, answers whatever still comes, then all that is under way, then nobody."""
        self._probe.ending = True
        await self._quiet()
        await self.host.drain(_DRAIN)

    async def _quiet(self) -> None:
        """Until no request has come for a while."""
        deadline = time.monotonic() + _LINGER
        seen, since = self.host.requests, time.monotonic()
        while time.monotonic() < min(since + self.quiet, deadline):
            await asyncio.sleep(_LOOK)
            if (now := self.host.requests) != seen:
                seen, since = now, time.monotonic()

    async def close(self) -> None:
        """Ends at once."""
        for server in self.servers.values():
            server.close()
        await self._commands.close()
        self.relay.close()
        self.host.close()


async def serve(environment: Mapping[str, str], ports: Mapping[str, int], quiet: float = QUIET) -> int:
    """Runs until SIGTERM, and then until nobody has asked for `quiet` seconds; the exit status."""
    pod = Pod(quiet)
    try:
        await pod.start(read_pod(environment), ports)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        write({"listening": pod.listening} | {name: _port(server) for name, server in pod.servers.items()})
        gc.freeze()
        await stopped.wait()
        await pod.end()
    except PlanError as error:
        write({"error": str(error)})
        return 1
    finally:
        await pod.close()
    return 0


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
