"""Parts of sentences: places, destinations and matches as people call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.topology.service import DOMAIN

Spec = Mapping[str, Any]


def line(resource: Resource, path: Path, reader: Resource | None = None) -> str:
    """`line 12`, with the file where the reader is in another one."""
    number = resource.line(*path)
    if reader is not None and reader.file != resource.file:
        return f"{resource.file}:{number}"
    return f"line {number}"


def short(name: str) -> str:
    """A host as people call it: `reviews` in `default`, `reviews.other` elsewhere."""
    own = name.removesuffix(f".{DOMAIN}")
    return own.removesuffix(".default") if own != name else name


def destination(spec: Spec) -> str:
    """`reviews v1`, `httpbin port 8000`."""
    port = (spec.get("port") or {}).get("number")
    parts = (short(spec["host"]), spec.get("subset", ""), f"port {port}" if port else "")
    return " ".join(part for part in parts if part)


def action(rule: Spec) -> str:
    """What a rule does with requests, after "these requests"."""
    if "redirect" in rule:
        return "are redirected"
    if "directResponse" in rule:
        return f"are answered with {rule['directResponse'].get('status')} at once"
    routes = rule.get("route", [])
    live = routes if len(routes) == 1 else [each for each in routes if each.get("weight")]
    found = list(dict.fromkeys(destination(each["destination"]) for each in live))
    return f"go to {' and '.join(found)}" if found else "are dropped"


def wanted(match: Spec | None) -> str:
    """What a match asks for: `prefix /api, header x-canary`."""
    if not match:
        return "anything"
    parts = []
    if uri := match.get("uri"):
        parts += [f"{kind} {value}" for kind, value in uri.items()]
    for field in ("method", "authority", "scheme"):
        if field in match:
            parts.append(f"{field} {next(iter(match[field].values()), 'any')}")
    parts += [f"header {name}" for name in match.get("headers", {})]
    parts += [
        f"no header {name}" if not value else f"header {name} otherwise"
        for name, value in match.get("withoutHeaders", {}).items()
    ]
    parts += [f"query parameter {name}" for name in match.get("queryParams", {})]
    parts += [f"caller {key}={value}" for key, value in match.get("sourceLabels", {}).items()]
    if match.get("sourceNamespace"):
        parts.append(f"callers in {match['sourceNamespace']}")
    if match.get("port"):
        parts.append(f"port {match['port']}")
    if match.get("gateways"):
        parts.append(f"gateway {' or '.join(match['gateways'])}")
    if match.get("sniHosts"):
        parts.append(f"server name {' or '.join(match['sniHosts'])}")
    if match.get("destinationSubnets"):
        parts.append(f"addresses {' or '.join(match['destinationSubnets'])}")
    return ", ".join(parts) or "anything"


def percent(value: float) -> str:
    """A share in per cent without needless digits."""
    return f"{value:.4g} %"
