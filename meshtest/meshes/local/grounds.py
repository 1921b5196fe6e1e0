"""Where one proxy stands among all, and what grounding its configuration needs to know. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from meshtest.meshes.local.passthrough import Unknown, unknown
from meshtest.meshes.local.site import Site, Sites
from meshtest.topology.instance import Instance
from meshtest.translate.proxy_config import ProxyConfig
from meshtest.translate.snapshot import Proxy, Snapshot

Json = dict[str, Any]


class Vault(Protocol):
    """Has what stands for the secrets that a proxy would ask for by name; all texts are PEM."""

    def pair(self, secret: str, instance: Instance, hosts: Sequence[str]) -> tuple[str, str]:
        """A certificate and its key: for these hosts, or where there are none for the instance."""

    def root(self, secret: str, instance: Instance) -> str:
        """The certificates of the authorities to trust."""


@dataclass(frozen=True)
class Grounds:
    """One proxy's configuration, and its place among all; `watched` gives the file for a route configuration, None to have it inline."""

    snapshot: Snapshot
    config: ProxyConfig
    site: Site
    sites: Sites
    watched: Callable[[str], str | None]
    vault: Vault
    shared: dict[tuple[int, str], Json] = field(default_factory=dict)
    """Grounded clusters that look the same to all proxies of a namespace, by their id and the namespace."""
    discovered: Callable[[str], str | None] = lambda name: None
    """Gives the file for the endpoints of a cluster, None to have them in the cluster."""

    @property
    def proxy(self) -> Proxy:
        """The proxy."""
        return Proxy(self.site.instance)

    @cached_property
    def unknown(self) -> tuple[Unknown, ...]:
        """The Services that it lets calls to through without knowing them."""
        return unknown(self.snapshot, self.proxy, self.config)
