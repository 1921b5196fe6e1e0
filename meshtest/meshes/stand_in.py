"""What stands in for a pod, on any mesh: which application, and what its ports speak. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from meshtest.bookinfo import productpage, reviews
from meshtest.topology.instance import Instance
from meshtest.topology.protocol import Protocol
from meshtest.translate.inbound_port import InboundPort

Json = dict[str, Any]

BOOKINFO = ("productpage", "details", "ratings", "reviews")
ECHO, LINES = "echo", "lines"
_TCP_ECHO = "tcp-echo-server"


def kind_of(instance: Instance) -> str:
    """Bookinfo's own programs and Istio's tcp-echo are known by their image; anything else is a generic echo."""
    images = [str(each.get("image", "")) for each in containers(instance)]
    for name in BOOKINFO:
        if any(f"examples-bookinfo-{name}-" in image for image in images):
            return name
    return LINES if any(_TCP_ECHO in image for image in images) else ECHO


def calls(instance: Instance) -> tuple[str, ...]:
    """Whom a stand-in calls by itself when it is called, as `host:port`."""
    kind = kind_of(instance)
    if kind == "productpage":
        return tuple(productpage.authorities(instance.env).values())
    return reviews.authorities(instance.version or "", instance.env) if kind == "reviews" else ()


def containers(instance: Instance) -> list[Json]:
    """The containers of a pod, as its manifest has them."""
    spec = instance.resource.spec
    found = spec.get("template", {}).get("spec", spec).get("containers") or []
    return [each for each in found if isinstance(each, dict)]


def prefix(instance: Instance) -> str:
    """The second argument of tcp-echo, behind the ports (samples/tcp-echo/src/main.go)."""
    for each in containers(instance):
        arguments = each.get("args") or []
        if _TCP_ECHO in str(each.get("image", "")) and isinstance(arguments, list) and len(arguments) > 1:
            return str(arguments[1])
    return ""


def speech(kind: str, protocol: Protocol) -> str:
    """What a stand-in speaks on a port of this protocol; a program that is known speaks what it always does."""
    if kind != ECHO:
        return "tcp" if kind == LINES else "http"
    if protocol.tls:
        return "tls"
    return "http" if protocol.http else "any"


def certified(instance: Instance, ports: Iterable[InboundPort]) -> list[str]:
    """The names that an instance's certificates are for: those of the Services behind its ports, if one of these speaks TLS."""
    found = list(ports)
    if kind_of(instance) != ECHO or not any(each.protocol.tls for each in found):
        return []
    services = {each.service.hostname: each.service for each in found if each.service}
    names = [name for host, each in services.items() for name in (host, f"{each.name}.{each.namespace}", each.name)]
    return list(dict.fromkeys(names))
