"""Bringing proxies from one configuration to the next without a gap, and knowing that they have taken it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from meshtest.errors import MeshError
from meshtest.meshes.local.envoy import DEADLINE, Envoy, compact
from meshtest.meshes.local.wire import Encoder, with_version
from meshtest.translate.proxy_config import ProxyConfig

Json = dict[str, Any]

EMPTY = ProxyConfig({}, {}, {}, {})
_versions = count(1)


@dataclass(frozen=True)
class Step:
    """One proxy's way from one grounded configuration to another."""

    envoy: Envoy
    before: ProxyConfig
    after: ProxyConfig
    texts: Texts = field(default_factory=lambda: Texts())
    idle: bool = False  # nobody sends anything meanwhile, so that no gap can be noticed

    def back(self) -> Step:
        """The way back."""
        return replace(self, before=self.after, after=self.before)

    def text(self, resource: Json) -> str:
        """The resource as JSON, made once."""
        return self.texts.json(resource)

    def write_routes(self, name: str, version: str, routes: Json) -> None:
        """Put a route configuration into its watched file."""
        path = self.envoy.routes_file(name)
        if name in self.envoy.binary_routes:
            self.envoy.write_bytes(path, self.texts.binary(version, routes))
        else:
            self.envoy.write(path, version, [self.text(routes)])

    def write_endpoints(self, cluster: str, version: str) -> None:
        """Put the endpoints of a cluster into their watched file."""
        self.envoy.write(self.envoy.endpoints_file(cluster), version, [self.text(self.after.endpoints[cluster])])


class Texts:
    """What is written to files, made once where several proxies share it."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._json: dict[int, str] = {}
        self._binary: dict[int, bytes] = {}

    def forget(self) -> None:
        """What follows is about other resources; routes that stay the same objects are still known."""
        self._json, self._binary = {}, {}
        self._encoder.forget()

    def json(self, resource: Json) -> str:
        """A resource as JSON."""
        if id(resource) not in self._json:
            self._json[id(resource)] = compact(resource)
        return self._json[id(resource)]

    def binary(self, version: str, routes: Json) -> bytes:
        """A DiscoveryResponse with a route configuration."""
        if id(routes) not in self._binary:
            self._binary[id(routes)] = self._encoder.encode(routes)
        return with_version(version, self._binary[id(routes)])


def take(steps: list[Step]) -> None:
    """Bring all proxies to their new configurations; MeshError with Envoy's own words if one refuses.

    Each proxy goes its own way: new clusters and endpoints come first, then routes, then listeners, and what is no longer used goes
    last; each is acknowledged before the next is written. Where nobody sends anything, what is no longer used goes at once: Envoy reads
    all clusters anew each time that one changes.
    """
    deadline = time.monotonic() + DEADLINE
    # Those with the most to do go first, so that their later phases overlap with the others' first.
    under_way = [
        _Course(step) for step in sorted(steps, key=lambda step: step.before.listeners == step.after.listeners)
    ]
    rounds = 0
    while under_way := [course for course in under_way if not course.advance()]:
        rounds += 1
        if rounds % 10 == 0:
            for course in under_way:
                check_accepted(course.envoy)
        if time.monotonic() > deadline:
            names = ", ".join(course.envoy.name for course in under_way)
            raise MeshError(f"not acknowledged within {DEADLINE:g} s by {names}; is the machine overloaded?")
        time.sleep(0.0005)
    for step in steps:
        if step.before.listeners != step.after.listeners:
            check_accepted(step.envoy)  # a new listener reads its routes before it is acknowledged, and may refuse them
    settle([step.envoy for step in steps])


class _Course:
    """One proxy's way through the phases of a change."""

    def __init__(self, step: Step) -> None:
        self.envoy = step.envoy
        self._phases = (phase(step) for phase in (_add_clusters, _change_routes, _change_listeners, _remove))
        self._wanted: Wanted = {}

    def advance(self) -> bool:
        """Write the next phase if the last is acknowledged, without waiting for it; whether it is at the end."""
        if self._wanted and (missing := _missing(self.envoy, self._wanted)):
            self._wanted = missing
            return False
        self._wanted = next(filter(None, self._phases), {})
        return not self._wanted


def write_initial(envoy: Envoy, config: ProxyConfig) -> None:
    """Put a whole configuration there, before Envoy starts."""
    version = str(next(_versions))
    step = Step(envoy, EMPTY, config)
    for name, routes in config.routes.items():
        step.write_routes(name, version, routes)
    for name in config.endpoints:
        step.write_endpoints(name, version)
    _write_all(step, "clusters", version, config.clusters)
    _write_all(step, "listeners", version, config.listeners)


def _write_all(step: Step, kind: str, version: str, resources: Mapping[str, Json]) -> None:
    texts = [step.text(resource) for resource in resources.values()]
    step.envoy.write(str(step.envoy.folder / f"{kind}.json"), version, texts)


# What to wait for: the version that a statistic must show. A route's statistic starts with a prefix of no interest.
Wanted = dict[Callable[[str], bool], str]


def _is(name: str) -> Callable[[str], bool]:
    return lambda statistic: statistic == name


def _ends(name: str) -> Callable[[str], bool]:
    return lambda statistic: statistic.endswith(name)


def _add_clusters(step: Step) -> Wanted:
    before, after = step.before.clusters, step.after.clusters
    version = str(next(_versions))
    wanted = _change_endpoints(step, version)
    if any(before.get(name) != cluster for name, cluster in after.items()):
        _write_all(step, "clusters", version, after if step.idle else {**before, **after})
        wanted[_is("cluster_manager.cds.version_text")] = version
    return wanted


def _change_endpoints(step: Step, version: str) -> Wanted:
    """Their files; a cluster that is new, or discovers from now on, reads its own when it comes."""
    wanted: Wanted = {}
    for name, endpoints in step.after.endpoints.items():
        if step.before.endpoints.get(name) != endpoints:
            step.write_endpoints(name, version)
            shown = step.after.clusters[name]["alt_stat_name"].replace(":", "_")
            wanted[_is(f"cluster.{shown}.version_text")] = version
    return wanted


def _change_routes(step: Step) -> Wanted:
    version = str(next(_versions))
    wanted: Wanted = {}
    for name, routes in step.after.routes.items():
        known = os.path.exists(step.envoy.routes_file(name))
        if not known or step.before.routes.get(name) != routes:
            step.write_routes(name, version, routes)
            if known:  # a new file is read when a listener asks for it
                wanted[_ends(f".rds.{name.replace(':', '_')}.version_text")] = version
    return wanted


def _change_listeners(step: Step) -> Wanted:
    if step.before.listeners == step.after.listeners:
        return {}
    version = str(next(_versions))
    _write_all(step, "listeners", version, step.after.listeners)
    return {_is("listener_manager.lds.version_text"): version}


def _remove(step: Step) -> Wanted:
    for name in step.before.endpoints.keys() - step.after.endpoints.keys():
        with contextlib.suppress(OSError):
            os.unlink(step.envoy.endpoints_file(name))
    kept = {step.envoy.routes_file(name) for name in step.after.routes}
    for name in step.before.routes:
        for file in step.envoy.routes_files(name):
            if file not in kept:
                with contextlib.suppress(OSError):
                    os.unlink(file)
    if step.before.clusters.keys() <= step.after.clusters.keys():
        return {}
    if step.idle and any(step.before.clusters.get(name) != cluster for name, cluster in step.after.clusters.items()):
        return {}  # they went when the others came
    version = str(next(_versions))
    _write_all(step, "clusters", version, step.after.clusters)
    return {_is("cluster_manager.cds.version_text"): version}


def _missing(envoy: Envoy, wanted: Wanted) -> Wanted:
    versions = envoy.versions()
    return {
        test: version
        for test, version in wanted.items()
        if not any(test(name) and have == version for name, have in versions.items())
    }


def check_accepted(envoy: Envoy) -> None:
    """MeshError with Envoy's own words if it has refused an update since the last time."""
    if envoy.refused_more():
        raise MeshError(
            f"Envoy of {envoy.name} rejects the configuration:\n{envoy.complaints() or '(it does not say why)'}"
        )


def settle(envoys: Sequence[Envoy], user_agent: str = "meshtest") -> None:
    """Wait until the worker threads work with what the main threads have acknowledged, and are through with what they have answered.

    An exchange with a worker comes behind both. All are asked before the first answer is awaited.
    """
    asked = [(envoy, envoy.ask_ready(user_agent)) for envoy in envoys]
    for envoy, question in asked:
        if not envoy.is_ready(question):
            envoy.wait_ready(time.monotonic() + DEADLINE)
