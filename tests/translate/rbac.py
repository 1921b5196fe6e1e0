"""Envoy's RBAC filters, evaluated: what they decide on a call. After `envoy/config/rbac/v3/rbac.proto`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from tests.translate.snapshots import Json


@dataclass(frozen=True)
class Call:
    """A request, or a connection (without method, path and headers); `principal` is what the caller's certificate says."""

    source: str = "10.0.0.1"
    remote: str = "10.0.0.1"
    destination: str = "10.0.0.2"
    port: int = 9080
    sni: str = ""
    principal: str = ""
    method: str = "GET"
    path: str = "/"
    host: str = "reviews"
    headers: dict[str, str] = field(default_factory=dict)
    token: dict[str, object] = field(default_factory=dict)


def allowed(filters: list[Json], call: Call) -> bool:
    """Whether no filter turns the call away."""
    return all(_passes(each["rules"], call) for each in filters if "rules" in each)


def _passes(rules: Json, call: Call) -> bool:
    action = rules.get("action", "ALLOW")
    matched = any(_matches(policy, call) for policy in rules.get("policies", {}).values())
    return {"ALLOW": matched, "DENY": not matched, "LOG": True}[action]


def _matches(policy: Json, call: Call) -> bool:
    return any(_holds(each, call) for each in policy["permissions"]) and any(
        _holds(each, call) for each in policy["principals"]
    )


def _holds(rule: Json, call: Call) -> bool:
    ((kind, value),) = rule.items()
    match kind:
        case "any":
            return True
        case "and_rules" | "and_ids":
            return all(_holds(each, call) for each in value.get("rules", value.get("ids")))
        case "or_rules" | "or_ids":
            return any(_holds(each, call) for each in value.get("rules", value.get("ids")))
        case "not_rule" | "not_id":
            return not _holds(value, call)
        case "destination_port":
            return call.port == value
        case "destination_ip" | "direct_remote_ip" | "remote_ip":
            have = {"destination_ip": call.destination, "direct_remote_ip": call.source, "remote_ip": call.remote}[kind]
            network = ip_network(f"{value['address_prefix']}/{value['prefix_len']}", strict=False)
            return ip_address(have) in network
        case "requested_server_name":
            return _text(value, call.sni)
        case "authenticated":
            return bool(call.principal) and _text(value["principal_name"], f"spiffe://{call.principal}")
        case "url_path":
            return _text(value["path"], call.path.partition("?")[0])
        case "uri_template":
            return _template(value["typed_config"]["path_template"], call.path.partition("?")[0])
        case "header":
            headers = {":method": call.method, ":authority": call.host, **call.headers}
            have = headers.get(value["name"])
            return have is not None and (value.get("present_match", False) or _text(value["string_match"], have))
        case "metadata":
            keys = [each["key"] for each in value["path"]]
            found: object = {"payload": call.token} if value["filter"] == "envoy.filters.http.jwt_authn" else {}
            for key in keys:
                found = found.get(key) if isinstance(found, dict) else None
            return _value(value["value"], found)
    raise AssertionError(kind)


def _value(matcher: Json, found: object) -> bool:
    ((kind, value),) = matcher.items()
    match kind:
        case "string_match":
            return isinstance(found, str) and _text(value, found)
        case "list_match":
            return isinstance(found, list) and any(_value(value["one_of"], each) for each in found)
        case "or_match":
            return any(_value(each, found) for each in value["value_matchers"])
    raise AssertionError(kind)


def _text(matcher: Json, text: str) -> bool:
    (kind,) = matcher.keys() - {"ignore_case"}
    wanted = matcher[kind]
    if kind == "safe_regex":
        return re.fullmatch(wanted["regex"], text) is not None
    if matcher.get("ignore_case"):
        wanted, text = wanted.lower(), text.lower()
    return {"exact": text == wanted, "prefix": text.startswith(wanted), "suffix": text.endswith(wanted)}[kind]


def _template(template: str, path: str) -> bool:
    """Envoy's URI template: `*` is one segment (not empty), `**` any number of characters."""
    escaped = re.escape(template).replace(r"\*\*", ".*").replace(r"\*", "[^/]+")
    return re.fullmatch(escaped, path) is not None
