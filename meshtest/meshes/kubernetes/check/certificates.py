"""Certificates: whose they are, by whom they are trusted, and how long they last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from meshtest.meshes.kubernetes.check.finding import ERROR, OK, WARNING, Finding
from meshtest.meshes.kubernetes.check.moment import moment, span
from meshtest.meshes.kubernetes.check.seen import Json

LATE = 0.2
"""A certificate with less than this share of its life left should have been renewed: Istio's agents do at one half
(SECRET_GRACE_PERIOD_RATIO, 0.5)."""
MONTH = timedelta(days=30)
"""Roots are replaced by people, who need time: with less than this left, say so."""


@dataclass(frozen=True)
class Certificate:
    """What a check needs of a certificate; `serial` in lower case hexadecimal, as Envoy writes it, without leading zeros."""

    serial: str
    begins: datetime
    ends: datetime

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Certificate:
        """Of one in X.509."""
        return cls(f"{certificate.serial_number:x}", certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    @classmethod
    def of_envoy(cls, document: Json) -> Certificate:
        """Of one as Envoy's `/certs` lists it."""
        serial = document["serial_number"].lower().lstrip("0")
        return cls(serial, moment(document["valid_from"]), moment(document["expiration_time"]))

    def left(self, now: datetime) -> str:
        """How long it lasts, in words."""
        return f"valid for another {span(self.ends - now)}, until {self.ends:%Y-%m-%d %H:%M} UTC"


def read_roots(pem: str) -> list[Certificate]:
    """The roots of a bundle; ValueError if it holds none."""
    return [Certificate.of(each) for each in x509.load_pem_x509_certificates(pem.encode())]


def lifetime(subject: str, certificate: Certificate, now: datetime, remedy: str, late: timedelta) -> Finding:
    """Judge when a certificate begins and ends; with less than `late` left it is a warning."""
    if now < certificate.begins:
        message = f"is not valid before {certificate.begins:%Y-%m-%d %H:%M} UTC, in {span(certificate.begins - now)}"
        return Finding(ERROR, subject, message, "compare the clocks of this machine and of the cluster's nodes")
    if now >= certificate.ends:
        message = f"expired {span(now - certificate.ends)} ago, at {certificate.ends:%Y-%m-%d %H:%M} UTC"
        return Finding(ERROR, subject, message, remedy)
    severity = WARNING if certificate.ends - now < late else OK
    return Finding(severity, subject, certificate.left(now), "" if severity == OK else remedy)


def roots(namespace: str, pem: str | None, issuing: Sequence[Certificate], now: datetime) -> Iterator[Finding]:
    """The roots that proxies of a namespace trust: its ConfigMap istio-ca-root-cert (None without one), beside the control plane's own."""
    subject = f"{namespace} configmap/istio-ca-root-cert"
    logs = "istiod writes it into each namespace: `kubectl -n istio-system logs deployment/istiod` says why it did not"
    if pem is None:
        yield Finding(ERROR, subject, "is not there: pods with a sidecar do not start without it", logs)
        return
    try:
        found = read_roots(pem)
    except ValueError as error:
        yield Finding(ERROR, subject, f"holds no certificate: {error}", logs)
        return
    if issuing and not _shared(found, issuing):
        message = "holds another root than the control plane's: its proxies do not trust istiod"
        remedy = f"kubectl -n {namespace} delete configmap istio-ca-root-cert (istiod writes it anew), then restart the workloads"
        yield Finding(ERROR, subject, message, remedy)
        return
    last = max(found, key=lambda each: each.ends)
    remedy = (
        "plug in a new root before then: https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert/"
    )
    yield lifetime(subject, last, now, remedy, MONTH)


def served(subject: str, certificate: Certificate, now: datetime) -> Finding:
    """The certificate that istiod itself shows."""
    remedy = "kubectl -n istio-system rollout restart deployment istiod has it issued anew"
    return lifetime(subject, certificate, now, remedy, LATE * (certificate.ends - certificate.begins))


def workload_certificates(
    where: str, listed: Mapping[str, Json], issuing: Sequence[Certificate], now: datetime
) -> Iterator[Finding]:
    """Those of proxies, by what each lists at `/certs`; `where` says whose they are. Fine ones are one finding together."""
    fine = []
    for proxy, document in listed.items():
        name, _, namespace = proxy.partition(".")
        found = list(_workload(f"{namespace} pod/{name} certificate", document, issuing, now))
        fine += [each for each in found if each.severity == OK]
        yield from (each for each in found if each.severity != OK)
    if fine:
        ends = min(_leaves(listed[proxy])[0].ends for proxy in listed if _leaves(listed[proxy]))
        left = Certificate("", now, ends).left(now)
        yield Finding(OK, f"{where} certificates", f"{len(fine)} of {len(listed)} proxies: {left} at the earliest")


def _workload(subject: str, document: Json, issuing: Sequence[Certificate], now: datetime) -> Iterator[Finding]:
    name = subject.split()[1].removeprefix("pod/")
    remedy = f"`istioctl proxy-config secret {name}.{subject.split()[0]}` shows it; its agent's log says why it was not renewed"
    leaves = _leaves(document)
    if not leaves:
        yield Finding(ERROR, subject, "has none: it cannot speak mutual TLS", remedy)
        return
    trusted = [Certificate.of_envoy(each) for listed in document["certificates"] for each in listed.get("ca_cert", ())]
    if issuing and not _shared(trusted, issuing):
        yield Finding(ERROR, subject, "trusts another root than the control plane's", f"restart the pod; {remedy}")
        return
    for other in _chains(document, spiffe=False):
        if now >= other.ends:
            message = f"serves a certificate (serial {other.serial}) that expired {span(now - other.ends)} ago"
            yield Finding(WARNING, subject, message, "renew the secret that the Gateway names as its credentialName")
    leaf = leaves[0]
    yield lifetime(subject, leaf, now, remedy, LATE * (leaf.ends - leaf.begins))


def _leaves(document: Json) -> list[Certificate]:
    """The workload's own certificates, the one that ends first in front: by their SPIFFE identity, as Istio issues them."""
    return sorted(_chains(document, spiffe=True), key=lambda each: each.ends)


def _chains(document: Json, spiffe: bool) -> list[Certificate]:
    """The first certificate of each chain, each once: those with a SPIFFE identity, or the others."""
    chains = [listed.get("cert_chain") or () for listed in document.get("certificates", ())]
    first = [chain[0] for chain in chains if chain]
    return list(dict.fromkeys(Certificate.of_envoy(each) for each in first if _is_spiffe(each) == spiffe))


def _is_spiffe(certificate: Json) -> bool:
    return any(str(name.get("uri", "")).startswith("spiffe://") for name in certificate.get("subject_alt_names", ()))


def _shared(some: Sequence[Certificate], others: Sequence[Certificate]) -> bool:
    return bool({each.serial for each in some} & {each.serial for each in others})
