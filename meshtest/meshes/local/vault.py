"""What stands for secrets: those among the manifests, else what the run's own authority issues.

Names and keys as istiod reads them (`pilot/pkg/model/credentials/resource.go`, `pilot/pkg/credentials/kube/secrets.go`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from meshtest.authority import Authority, Pair
from meshtest.errors import ResourceError
from meshtest.resources.resource import Resource
from meshtest.topology.instance import Instance
from meshtest.topology.topology import Topology
from meshtest.translate.secret import CA_SUFFIX

_PAIRS = (("cert", "key"), ("tls.crt", "tls.key"))
_ROOTS = ("cacert", "ca.crt")
_SECRET, _CONFIG_MAP = "kubernetes://", "configmap://"


class Vault:
    """Certificates by the names under which proxies ask for them. The authority is made when the first is needed."""

    def __init__(self, topology: Topology, authority: Callable[[], Authority]) -> None:
        self._topology = topology
        self._authority = authority
        self._known: set[Pair] = set()

    def pair(self, secret: str, instance: Instance, hosts: Sequence[str]) -> Pair:
        """A certificate and its key: from the manifests, else for these hosts, or where there are none for the instance."""
        if (found := self._found(secret, instance.namespace)) is not None:
            return self._given_pair(found)
        identity = self._topology.config.identity(instance.namespace, instance.account)
        return self._authority().certificate(*(hosts or (identity,)))

    def root(self, secret: str, instance: Instance) -> str:
        """The certificates of those to trust: from the manifests, else the run's own authority's."""
        found = self._found(secret, instance.namespace) or self._found(
            secret.removesuffix(CA_SUFFIX), instance.namespace
        )
        if found is None:
            return self._authority().pem
        text = next((text for key in _ROOTS if (text := _texts(found).get(key))), None)
        if text is None:
            raise ResourceError(
                f"{found.where()}: {found} is asked for an authority's certificate, and has no {' or '.join(_ROOTS)}"
            )
        _check_certificates(found, text)
        return text

    @cached_property
    def given(self) -> str:
        """All certificates in the Secrets of the manifests (PEM), for clients and servers here to trust."""
        secrets = [each for each in self._topology.credentials.values() if each.kind == "Secret"]
        keys = (*_ROOTS, *(certificate for certificate, _ in _PAIRS))
        return "".join(
            f"{_texts(each)[key].strip()}\n" for each in secrets for key in keys if _is_pem(_texts(each).get(key, ""))
        )

    def gives(self, secret: str, namespace: str) -> bool:
        """Whether the manifests have a secret of this name, so that its certificate is not made here."""
        return self._found(secret, namespace) is not None

    def _found(self, name: str, namespace: str) -> Resource | None:
        for scheme, kind in ((_SECRET, "Secret"), (_CONFIG_MAP, "ConfigMap")):
            if name.startswith(scheme):
                space, _, own = name.removeprefix(scheme).rpartition("/")
                return self._topology.credentials.get((kind, space or namespace, own))
        return None

    def _given_pair(self, secret: Resource) -> Pair:
        texts = _texts(secret)
        for certificate, key in _PAIRS:
            if texts.get(certificate) and texts.get(key):
                pair = (texts[certificate], texts[key])
                if pair not in self._known:
                    _check_pair(secret, *pair)
                    self._known.add(pair)
                return pair
        wanted = " or ".join(f"{certificate} and {key}" for certificate, key in _PAIRS)
        raise ResourceError(f"{secret.where()}: {secret} is asked for a certificate, and has no {wanted}")


def _texts(secret: Resource) -> Mapping[str, str]:
    data = secret.body.get("data") or {}
    if secret.kind == "ConfigMap":
        return dict(data)
    decoded = {key: base64.b64decode("".join(text.split())).decode("utf-8", "replace") for key, text in data.items()}
    return {**decoded, **(secret.body.get("stringData") or {})}


def _is_pem(text: str) -> bool:
    return "-----BEGIN CERTIFICATE-----" in text


def _check_certificates(secret: Resource, text: str) -> None:
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ResourceError(f"{secret.where()}: {secret} holds no certificate that can be read: {error}") from None


def _check_pair(secret: Resource, certificate: str, key: str) -> None:
    """Envoy would refuse a listener with a certificate that is none, or a key that is another's."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    _check_certificates(secret, certificate)
    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError) as error:
        raise ResourceError(f"{secret.where()}: {secret} holds no key that can be read: {error}") from None
    if x509.load_pem_x509_certificates(certificate.encode())[0].public_key() != private.public_key():
        raise ResourceError(f"{secret.where()}: the key in {secret} is not the one of its certificate")
