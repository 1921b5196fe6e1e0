"""PeerAuthentications: whether a workload's ports want mutual TLS (`pilot/pkg/security/authn/policy_applier.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshtest.resources.resource import Resource
from meshtest.translate.snapshot import Proxy, Snapshot

DISABLE, PERMISSIVE, STRICT = "DISABLE", "PERMISSIVE", "STRICT"


@dataclass(frozen=True)
class Modes:
    """The mode of a workload, PERMISSIVE where no policy says anything, and of ports that have one of their own."""

    mode: str = PERMISSIVE
    ports: Mapping[int, str] = field(default_factory=dict)

    def of_port(self, number: int) -> str:
        """The mode of a port on which the workload listens."""
        return self.ports.get(number, self.mode)


def modes(snapshot: Snapshot, proxy: Proxy) -> Modes:
    """The modes of a workload: of the narrowest policy that sets one, from the mesh's to the namespace's to its own.

    In each scope the oldest policy counts. A policy with a selector counts in its own namespace only, and in the root
    namespace not at all (`ComposePeerAuthentication`).
    """
    root = snapshot.topology.config.root_namespace
    found = snapshot.of_kind("PeerAuthentication")
    for_all = [each for each in found if not _selector(each)]
    mesh = [each for each in for_all if each.namespace == root]
    namespace = [each for each in for_all if each.namespace == proxy.namespace != root]
    labels = snapshot.labels(proxy).items()
    own = [
        each
        for each in found
        if _selector(each) and each.namespace == proxy.namespace != root and _selector(each).items() <= labels
    ]
    mode = PERMISSIVE
    for scope in (mesh, namespace, own):
        if scope:
            mode = _mode(scope[0].spec.get("mtls", {}), mode)
    ports = own[0].spec.get("portLevelMtls", {}) if own else {}
    return Modes(mode, {int(number): _mode(given, mode) for number, given in ports.items()})


def _selector(policy: Resource) -> Mapping[str, str]:
    labels: Mapping[str, str] = policy.spec.get("selector", {}).get("matchLabels", {})
    return labels


def _mode(given: Mapping[str, str], inherited: str) -> str:
    mode = given.get("mode", "UNSET")
    return inherited if mode == "UNSET" else mode
