"""The recordings' world, with a real istiod: what does it send for these resources?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tests.istiod.api_server import ApiServer, Document, Refused, documents
from tests.istiod.control_plane import define_kinds, istiod_says, start_api_server, start_istiod
from tests.istiod.places import TOPOLOGY
from tests.istiod.processes import NotReady, Processes
from tests.istiod.proxies import IDENTITIES, Configuration, Proxy

# Applied anew before each look: an EnvoyFilter of the root namespace reaches every proxy, whatever a Sidecar hides.
MARKER = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: marker, namespace: istio-system}}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {{context: ANY}}
    patch:
      operation: ADD
      value: {{name: {name}, type: STATIC, connect_timeout: 1s}}
"""
# istiod orders resources by their age in whole seconds, then by name: a case's are made within one second.
LAST_MOMENT_S = 0.6
CONVERGENCE_S = 30.0
MOST_LOOKS = 40


@dataclass
class Answer:
    """What istiod sent to each proxy; or why the API server refused.

    `rejected`: what the proxies did not take of it. `unstable`: istiod says the same in another way each time.
    """

    configurations: dict[str, Configuration] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)
    invalid: str | None = None
    unstable: bool = False


class World:
    """All servers, and the topology's resources in them; one question at a time."""

    def __init__(self, folder: Path) -> None:
        self._processes = Processes(folder)
        self._proxies = [Proxy(name, folder) for name in IDENTITIES]
        self._marker = 0
        self._topology = {each.key: each for each in documents(TOPOLOGY.read_text())}
        try:
            self._server = self._start(folder)
            self.base = self._settle()
        except BaseException:
            self.stop()
            raise

    def _start(self, folder: Path) -> ApiServer:
        server = start_api_server(self._processes, folder)
        define_kinds(self._processes, server)
        for document in self._topology.values():
            server.apply(document)
        start_istiod(self._processes, server, folder)
        for proxy in self._proxies:
            proxy.start(self._processes)
        return server

    def stop(self) -> None:
        self._processes.stop()

    def ask(self, text: str) -> Answer:
        """Applies resources, waits until all proxies have what they make, and takes them back."""
        try:
            found = documents(text)
        except yaml.YAMLError as error:
            return Answer(invalid=str(error))
        before = {proxy.name: proxy.refusals() for proxy in self._proxies}
        try:
            self._apply(found)
            answer = self._settle()
            grown = {
                f"{proxy.name}: {name}" for proxy in self._proxies for name in proxy.refusals() - before[proxy.name]
            }
            return replace(answer, rejected=sorted({*answer.rejected, *grown}))
        except Refused as error:
            return Answer(invalid=str(error))
        finally:
            self._take_back(found)

    def _apply(self, found: list[Document]) -> None:
        while True:
            second = time.time() % 1
            if second > LAST_MOMENT_S:
                time.sleep(1 - second)
            made = [self._server.apply(each) for each in found]
            new = {
                each["metadata"]["creationTimestamp"]
                for each, of in zip(made, found, strict=True)
                if of.key not in self._topology
            }
            if len(new) < 2:
                return self._wait_for_istiod(made)
            self._delete(found)

    def _wait_for_istiod(self, made: list[dict[str, Any]]) -> None:
        """Until istiod's own store has each Istio resource, as it is now."""
        wanted = dict(_version(each) for each in made if "istio.io/" in each["apiVersion"])

        def has_all() -> bool:
            have = dict(_version(each) for each in istiod_says("/debug/configz") if "uid" in each["metadata"])
            return wanted.items() <= have.items()

        if wanted:
            self._processes.wait("istiod's store", has_all, CONVERGENCE_S)

    def _delete(self, found: list[Document]) -> None:
        for document in reversed(found):
            if document.key in self._topology:
                self._server.apply(self._topology[document.key])
            else:
                self._server.delete(document)

    def _take_back(self, found: list[Document]) -> None:
        self._delete(found)
        end = time.monotonic() + CONVERGENCE_S
        while self._settle().configurations != self.base.configurations:
            if time.monotonic() > end:
                raise NotReady("the proxies are not as they were before the case")

    def _settle(self) -> Answer:
        """What the proxies hold, when two states of istiod's, one after the other, give the same."""
        last = None
        for _ in range(MOST_LOOKS):
            now = self._look()
            if now is not None and now == last:
                return now
            last = now
        if last is None:
            raise NotReady("routes or clusters are still on their way to a proxy")
        return replace(last, unstable=True)

    def _look(self) -> Answer | None:
        """Waits until every proxy has a new state; what they hold, or None if something is still on its way."""
        self._marker += 1
        name = f"marker-{self._marker}-end"
        self._server.apply(documents(MARKER.format(name=name))[0])
        self._processes.wait(
            f"all proxies have {name}", lambda: all(proxy.has_cluster(name) for proxy in self._proxies), CONVERGENCE_S
        )
        dumps = {proxy.name: proxy.dump() for proxy in self._proxies}
        if any(dump.incomplete() for dump in dumps.values()):
            return None
        rejected = {f"{name}: {words}" for name, dump in dumps.items() for words in dump.rejected()}
        return Answer({name: _without_marker(dump.configuration()) for name, dump in dumps.items()}, sorted(rejected))


def _without_marker(configuration: Configuration) -> Configuration:
    return {
        kind: {name: value for name, value in sorted(resources.items()) if not name.startswith("marker-")}
        for kind, resources in configuration.items()
    }


def _version(resource: dict[str, Any]) -> tuple[str, int]:
    """Who it is, and how often its specification has changed: istiod itself writes to the status of some kinds."""
    return resource["metadata"]["uid"], resource["metadata"]["generation"]
