"""What Envoy's RBAC filters say of a request or a connection (`source/extensions/filters/common/rbac/matchers.cc`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from meshtest.explain.connection import Connection
from meshtest.explain.matcher import Verdict, all_of, any_of, header_matches, negated, regex_matches, string_matches
from meshtest.resources.name import address
from meshtest.translate.snapshot import Snapshot

Json = Mapping[str, Any]

_POLICY = re.compile(r"ns\[(?P<namespace>[^]]*)\]-policy\[(?P<name>[^]]*)\]-rule\[(?P<rule>\d+)\]")
# The characters of a path's segment (`source/extensions/path/uri_template_lib/uri_template_internal.cc`).
_SEGMENT = r"[a-zA-Z0-9-._~%!$&'()+,;:@=]"


@dataclass(frozen=True)
class Ruling:
    """Whether a filter lets through (None: it depends on what is not known here), by which rules, and what they ask for."""

    allowed: Verdict
    action: str
    rules: tuple[str, ...]


def ruling(snapshot: Snapshot, config: Json, connection: Connection, server_name: str) -> Ruling | None:
    """What one RBAC filter says; None where it has no rules in force, or only logs."""
    rules = config.get("rules")
    if rules is None or rules.get("action") == "LOG":
        return None
    subject = _Subject(connection, server_name)
    policies = rules.get("policies", {})
    found = {name: subject.matches(policies[name]) for name in sorted(policies)}
    denies = rules.get("action") == "DENY"
    taken = any_of(found.values())
    wanted = {True: (True,), None: (None,), False: (False,)}[taken]
    names = tuple(_named(snapshot, name) for name, verdict in found.items() if verdict in wanted)
    return Ruling(negated(taken) if denies else taken, "DENY" if denies else "ALLOW", names)


def _named(snapshot: Snapshot, name: str) -> str:
    """A rule as its author knows it, with file and line."""
    found = _POLICY.fullmatch(name)
    if not found:
        return name
    rule = int(found["rule"])
    for each in snapshot.of_kind("AuthorizationPolicy"):
        if (each.namespace, each.name) == (found["namespace"], found["name"]):
            at = ("spec", "rules", rule) if each.spec.get("rules") else ("spec",)
            part = f"spec.rules[{rule}]" if each.spec.get("rules") else "without rules"
            return f"{each} {part} at {each.where(*at)}"
    return name


class _Subject:
    """A request or a connection, as policies look at it."""

    def __init__(self, connection: Connection, server_name: str) -> None:
        self.connection, self.server_name = connection, server_name
        self._matchers: dict[str, Callable[[Any], Verdict]] = {
            "any": lambda _: True,
            "and_rules": lambda value: all_of(map(self._one, value["rules"])),
            "or_rules": lambda value: any_of(map(self._one, value["rules"])),
            "and_ids": lambda value: all_of(map(self._one, value["ids"])),
            "or_ids": lambda value: any_of(map(self._one, value["ids"])),
            "not_rule": lambda value: negated(self._one(value)),
            "not_id": lambda value: negated(self._one(value)),
            "header": self._header,
            "url_path": lambda value: self._path(value["path"]),
            "uri_template": self._template,
            "destination_port": lambda value: value == connection.port,
            "destination_ip": lambda value: _within(connection.address, value),
            "requested_server_name": lambda value: string_matches(value, server_name),
            "direct_remote_ip": lambda value: _within(self._direct, value),
            "remote_ip": lambda value: _within(self._remote, value),
            "authenticated": self._authenticated,
            "metadata": lambda value: bool(
                value.get("invert")
            ),  # nothing here reads tokens, so that no metadata is set
        }

    def matches(self, policy: Json) -> Verdict:
        """Whether one of the permissions and one of the principals holds."""
        sides: Sequence[Sequence[Json]] = (policy["permissions"], policy["principals"])
        return all_of(any_of(map(self._one, side)) for side in sides)

    def _one(self, rule: Json) -> Verdict:
        ((kind, value),) = rule.items()
        return self._matchers[kind](value)

    @property
    def _direct(self) -> str:
        return self.connection.source.address if self.connection.source else ""

    @property
    def _remote(self) -> str:
        """The last address of X-Forwarded-For, which a sidecar believes; else that of the peer."""
        request = self.connection.request
        if request is None or not request.values("x-forwarded-for"):
            return self._direct
        return request.value("x-forwarded-for").rpartition(",")[2].strip()

    def _header(self, matcher: Json) -> Verdict:
        return False if self.connection.request is None else header_matches(matcher, self.connection.request)

    def _path(self, matcher: Json) -> Verdict:
        request = self.connection.request
        return False if request is None else string_matches(matcher, request.value(":path").partition("?")[0])

    def _template(self, template: Json) -> Verdict:
        request = self.connection.request
        regex = "".join(_pieces(template["typed_config"]["path_template"]))
        return False if request is None else regex_matches(regex, request.value(":path").partition("?")[0])

    def _authenticated(self, value: Json) -> Verdict:
        identity = self.connection.identity
        if not identity:
            return False
        return string_matches(value["principal_name"], identity) if "principal_name" in value else True


def _within(given: str, block: Json) -> Verdict:
    if not address(given):
        return None
    network = ip_network(f"{block['address_prefix']}/{block.get('prefix_len', 0)}", strict=False)
    return ip_address(given) in network


def _pieces(template: str) -> Iterator[str]:
    for piece in re.split(r"(\*\*|\*)", template):
        if piece == "**":
            yield f"(?:{_SEGMENT}|/)*"
        elif piece == "*":
            yield f"{_SEGMENT}+"
        else:
            yield re.sub(r"([^\w/])", r"\\\1", piece)
