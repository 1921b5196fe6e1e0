"""The part of Istio's MeshConfig that decides traffic, read where Istio keeps it: the ConfigMap `istio` in `istio-system`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshtest.errors import ResourceError
from meshtest.resources.document import Path, parse
from meshtest.resources.kinds.retries import RETRIES
from meshtest.resources.name import label
from meshtest.resources.problem import Problem, WrongResources
from meshtest.resources.resource import Resource
from meshtest.resources.schema import DURATION, TEXT, Enum, ListOf, Message, Report, Text, Type, Unsupported


class _Only:
    """A field of which one value is implemented, Istio's default or what comes to the same here."""

    def __init__(self, value: object) -> None:
        self._value = value

    def read(self, value: Any, path: Path, report: Report) -> Any:
        if value != self._value:
            report(path, f"{value!r} is not implemented by the local mesh", unsupported=True)
        return value


# Of Istio's many fields those that are implemented, those that change nothing here, and the rest, which is refused by name.
_SCHEMA: dict[str, Type] = {
    "outboundTrafficPolicy": Message({"mode": Enum(("ALLOW_ANY", "REGISTRY_ONLY"))}),
    "defaultHttpRetryPolicy": RETRIES,
    "connectTimeout": DURATION,
    "rootNamespace": Text(label),
    "trustDomain": TEXT,
    "trustDomainAliases": ListOf(TEXT),
    "caCertificates": ListOf(Message({"trustDomains": ListOf(TEXT)}, closed=False)),
    "enableAutoMtls": _Only(False),
    "h2UpgradePolicy": _Only("DO_NOT_UPGRADE"),
}
_WITHOUT_EFFECT = (
    *(
        "accessLogFile",
        "accessLogFormat",
        "accessLogEncoding",
        "disableEnvoyListenerLog",
        "enableEnvoyAccessLogService",
    ),
    *(
        "ca",
        "certificates",
        "configSources",
        "defaultConfig",
        "defaultProviders",
        "discoverySelectors",
    ),
    *("dnsRefreshRate", "enablePrometheusMerge", "enableTracing", "extensionProviders", "inboundClusterStatName"),
    *("ingressClass", "ingressControllerMode", "ingressSelector", "ingressService", "outboundClusterStatName"),
    "verifyCertificateAtClient",
)


_LATER = (
    *(
        "defaultDestinationRuleExportTo",
        "defaultServiceExportTo",
        "defaultTrafficPolicy",
        "defaultVirtualServiceExportTo",
    ),
    *("hboneIdleTimeout", "inboundTrafficPolicy", "localityLbSetting", "meshMTLS"),
    *("pathNormalization", "proxyHttpPort", "proxyInboundListenPort", "proxyListenPort", "serviceScopeConfigs"),
    *("serviceSettings", "tcpKeepalive", "thriftConfig", "tlsDefaults"),
)
_MESH_CONFIG = Message({**_SCHEMA, **{field: Unsupported() for field in _LATER}})


@dataclass(frozen=True)
class MeshConfig:
    """Istio's defaults (`pkg/config/mesh/mesh.go`) where nothing is given. Durations are in Envoy's form."""

    registry_only: bool = False
    default_retries: Mapping[str, Any] | None = field(default=None)
    connect_timeout: str = "10s"
    root_namespace: str = "istio-system"
    trust_domain: str = "cluster.local"
    trust_domain_aliases: tuple[str, ...] = ()
    authority_domains: tuple[str, ...] = ()

    @property
    def trust_domains(self) -> tuple[str, ...]:
        """The mesh's trust domain, and its aliases behind it."""
        return (self.trust_domain, *self.trust_domain_aliases)

    @property
    def trusted_domains(self) -> tuple[str, ...]:
        """Those whose certificates are taken: also the ones of further authorities (`TrustDomainsForValidation`)."""
        return tuple(each for each in dict.fromkeys((*self.trust_domains, *self.authority_domains)) if each)

    def identity(self, namespace: str, account: str) -> str:
        """The SPIFFE name of a service account (`pkg/spiffe`)."""
        return f"spiffe://{self.trust_domain}/ns/{namespace}/sa/{account}"


def mesh_config(found: Iterable[Resource]) -> MeshConfig:
    """The MeshConfig among these objects, or Istio's defaults; WrongResources if it is not understood or not implemented."""
    config, problems = examined(found)
    if problems:
        raise WrongResources([problem for problem in problems if not problem.unsupported] or problems)
    return config


def examined(found: Iterable[Resource]) -> tuple[MeshConfig, list[Problem]]:
    """The MeshConfig among these objects, or Istio's defaults, and every problem in it."""
    for resource in reversed([*found]):  # of two the API server keeps the later
        if resource.kind == "ConfigMap" and (resource.name, resource.namespace) == ("istio", "istio-system"):
            return _read(resource)
    return MeshConfig(), []


def _read(resource: Resource) -> tuple[MeshConfig, list[Problem]]:
    text = resource.body.get("data", {}).get("mesh", "")
    documents = parse(text, f"{resource.where('data', 'mesh')} (the mesh key)")
    given = documents[0].value if documents else {}
    if not isinstance(given, dict):
        raise ResourceError(
            f"{resource.where('data', 'mesh')}: {resource} data.mesh: must hold a mapping of MeshConfig's fields"
        )
    problems: list[Problem] = []

    def report(path: Path, message: str, *, unsupported: bool = False) -> None:
        problems.append(Problem(resource, ("data", "mesh", *path), message, unsupported))

    counting = {key: value for key, value in given.items() if key not in _WITHOUT_EFFECT and value is not None}
    spec = _MESH_CONFIG.read(counting, (), report)
    config = MeshConfig(
        registry_only=spec.get("outboundTrafficPolicy", {}).get("mode") == "REGISTRY_ONLY",
        default_retries=spec.get("defaultHttpRetryPolicy"),
        connect_timeout=spec.get("connectTimeout", "10s"),
        root_namespace=spec.get("rootNamespace", "istio-system"),
        trust_domain=spec.get("trustDomain", "cluster.local"),
        trust_domain_aliases=tuple(spec.get("trustDomainAliases", [])),
        authority_domains=tuple(
            domain for each in spec.get("caCertificates", []) for domain in each.get("trustDomains", [])
        ),
    )
    return config, problems
