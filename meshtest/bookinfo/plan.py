"""What a stand-in process runs: the instances (pods), read from JSON.

``{"instances": [{"name": "reviews-v2-6b5c7d8f9-x7k2p", "workload": "reviews-v2", "app": "reviews", "version": "v2",
"namespace": "default", "kind": "reviews", "listen": [["127.1.2.3", 9080]], "env": {"LOG_DIR": "/tmp"},
"upstreams": {"reviews:9080": ["127.9.9.9", 9080]}}]}``

``name`` is unique; an instance says that it is ``podname``, by default its name. ``kind`` is one of `KINDS`. ``listen`` may say
port 0, and behind the port what is spoken there (`SPEECHES`; HTTP in the clear unless it says otherwise). ``prefix`` is what lines
come back behind, by default ``podname``; ``certified`` are names that the instance's certificates are for, beside the one that a
client asks for. ``pod`` is the name of another instance whose further ports these are: both behave as one. ``upstreams`` maps the
``host:port`` that the workload calls to the loopback address of the sidecar listener that stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

KINDS = ("productpage", "details", "reviews", "ratings", "echo", "external")

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Speech:
    """What a port speaks. Where it takes several, the first bytes of a connection tell which of them."""

    http: bool = True
    lines: bool = False
    clear: bool = True
    tls: bool = False


SPEECHES: Mapping[str, Speech] = MappingProxyType(
    {
        "http": Speech(),
        "tcp": Speech(http=False, lines=True),
        "any": Speech(lines=True),
        "https": Speech(clear=False, tls=True),
        "tls": Speech(lines=True, clear=False, tls=True),
        "all": Speech(lines=True, tls=True),
    }
)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where an instance listens, and what it speaks there."""

    address: Address
    speech: Speech = SPEECHES["http"]


class PlanError(Exception):
    """A plan or command that is not understood; the message names the place in it."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One pod: what it is, where it listens, what it may call."""

    name: str
    kind: str
    listen: tuple[Listen, ...]
    podname: str = ""
    pod: str = ""
    workload: str = ""
    app: str = ""
    version: str = ""
    namespace: str = "default"
    prefix: str = ""
    certified: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    upstreams: Mapping[str, Address] | None = field(default_factory=lambda: MappingProxyType({}))
    """None for what DNS says, as in a pod."""

    @property
    def says(self) -> str:
        """Who it says that it is."""
        return self.podname or self.name

    @property
    def behaves_as(self) -> str:
        """The name that its behaviour goes by."""
        return self.pod or self.name


def read_instances(document: object) -> tuple[Instance, ...]:
    """The instances of a plan or command. Raises `PlanError` naming what is wrong and where."""
    entries = _mapping(document, "the plan").get("instances", [])
    if not isinstance(entries, list):
        raise PlanError(f"instances is a list, not {entries!r}")
    instances = tuple(_instance(entry, f"instances[{index}]") for index, entry in enumerate(entries))
    names = [instance.name for instance in instances]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PlanError(f"instances of the same name: {', '.join(twice)}")
    return instances


def _instance(entry: object, where: str) -> Instance:
    fields = _mapping(entry, where)
    if unknown := sorted(fields.keys() - Instance.__dataclass_fields__.keys()):
        raise PlanError(f"{where} has unknown members: {', '.join(unknown)}")
    kind = _string(fields, "kind", where)
    if kind not in KINDS:
        raise PlanError(f"{where}.kind is one of {', '.join(KINDS)}, not {kind!r}")
    listen = fields.get("listen")
    if not isinstance(listen, list):
        raise PlanError(f"{where}.listen is a list of [address, port], not {listen!r}")
    return Instance(
        name=_string(fields, "name", where),
        kind=kind,
        listen=tuple(_listen(value, f"{where}.listen[{index}]") for index, value in enumerate(listen)),
        podname=_string(fields, "podname", where, ""),
        pod=_string(fields, "pod", where, ""),
        prefix=_string(fields, "prefix", where, ""),
        certified=_strings(fields.get("certified"), f"{where}.certified"),
        workload=_string(fields, "workload", where, ""),
        app=_string(fields, "app", where, ""),
        version=_string(fields, "version", where, ""),
        namespace=_string(fields, "namespace", where, "default"),
        env=MappingProxyType({name: str(value) for name, value in _mapping(fields.get("env"), f"{where}.env").items()}),
        upstreams=read_upstreams(fields.get("upstreams"), f"{where}.upstreams"),
    )


def read_upstreams(document: object, where: str) -> Mapping[str, Address]:
    """A mapping of ``host:port`` to ``[address, port]``. Raises `PlanError`."""
    entries = _mapping(document, where)
    return MappingProxyType({name: _address(value, f"{where}[{name!r}]") for name, value in entries.items()})


def _mapping(value: object, where: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PlanError(f"{where} is an object, not {value!r}")
    return cast("dict[str, object]", value)


def _string(fields: Mapping[str, object], name: str, where: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str) or (default is None and not value):
        raise PlanError(f"{where}.{name} is a string, not {value!r}")
    return value


def _strings(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise PlanError(f"{where} is a list of strings, not {value!r}")
    return tuple(value)


def _listen(value: object, where: str) -> Listen:
    match value:
        case [host, port, str() as word]:
            if word not in SPEECHES:
                raise PlanError(f"{where}: what is spoken is one of {', '.join(SPEECHES)}, not {word!r}")
            return Listen(_address([host, port], where), SPEECHES[word])
    return Listen(_address(value, where))


def _address(value: object, where: str) -> Address:
    match value:
        case [str() as host, int() as port] if host and 0 <= port <= 65535 and not isinstance(port, bool):
            return host, port
    raise PlanError(f"{where} is [address, port] with a port from 0 to 65535, not {value!r}")
