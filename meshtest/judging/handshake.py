"""The expectation of what a server negotiates in TLS: versions, cipher suites, clients' certificates, names. Exact, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from meshtest.judging.control import Control, Edit
from meshtest.judging.experiment import Lab
from meshtest.judging.verdict import Judgement, Verdict

VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
SUITES = tuple(
    f"{exchange}{rest}"
    for exchange in ("ECDHE-ECDSA-", "ECDHE-RSA-", "")
    for rest in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA")
)
"""What is offered beside the suites that are stated: the suites of TLS 1.2 that Envoy's TLS library has, but for ChaCha20."""

NONE, OWN, STRANGER = "none", "own", "stranger"
"""Certificates of clients: none, one of the authority that the gateway trusts, one of somebody else's."""

CLIENTS = {"ignored": {NONE, OWN, STRANGER}, "optional": {NONE, OWN}, "demanded": {OWN}}
"""Which certificates a server lets in that treats clients so."""

_MODES = {"ignored": "SIMPLE", "optional": "OPTIONAL_MUTUAL", "demanded": "MUTUAL"}
_FIELD = {name: "TLSV" + name.removeprefix("TLSv").replace(".", "_") for name in VERSIONS} | {"TLSv1": "TLSV1_0"}


class Negotiated(Protocol):
    """What came of a handshake; texts as OpenSSL has them."""

    @property
    def version(self) -> str:
        """The version of TLS."""

    @property
    def cipher(self) -> str:
        """The cipher suite."""

    @property
    def names(self) -> Sequence[str]:
        """Those in the server's certificate."""

    @property
    def key(self) -> str:
        """The kind of its key: `ECDSA` or `RSA`."""

    @property
    def accepted(self) -> bool:
        """Whether the connection can be used."""


Shake = Callable[..., Negotiated]
"""Makes a handshake; `version`, `ciphers`, `client` (one of the certificates) and `server_name` are what is offered."""


@dataclass(frozen=True)
class Row:
    """What was offered, what was to come of it, and what came."""

    offered: str
    wanted: str
    came: str
    right: bool


@dataclass(frozen=True)
class Handshakes:
    """What a server negotiates; what is None is not looked at. Its certificate must be for the host that is asked for."""

    versions: tuple[str, ...] | None = None
    ciphers: tuple[str, ...] | None = None
    client: str | None = None
    refuses: tuple[str, ...] = ()

    error_rates = "exact"

    def conduct(self, lab: Lab) -> Judgement:
        """Offer one thing after the other."""
        return self.judge(list(self.rows(lab.handshake, lab.host)))

    def rows(self, shake: Shake, host: str) -> Iterator[Row]:
        """The table."""
        usual: dict[str, Any] = {"client": OWN if self.client == "demanded" else NONE}
        first = shake(**usual)
        proved = first.accepted and any(proves(name, host) for name in first.names)
        yield Row("the usual", f"a certificate for {host}", str(first), proved)
        for each in VERSIONS if self.versions is not None else ():
            yield _row(each, each in (self.versions or ()), shake(**usual, version=each))
        for each in self._suites(first.key):
            yield _row(each, each in (self.ciphers or ()), shake(**usual, version="TLSv1.2", ciphers=each))
        for each, said in _CERTIFICATES.items() if self.client is not None else ():
            yield _row(said, each in CLIENTS[self.client or ""], shake(client=each))
        for each in self.refuses:
            yield _row(f"the server name {each}", False, shake(**usual, server_name=each))

    def _suites(self, key: str) -> list[str]:
        """Those that a server with such a key can have."""
        if self.ciphers is None:
            return []
        suites = dict.fromkeys((*self.ciphers, *SUITES))
        return [each for each in suites if ("RSA" if "ECDSA" not in each else "ECDSA") == key]

    def judge(self, rows: Sequence[Row]) -> Judgement:
        """The judgement on a table."""
        wrong = [each for each in rows if not each.right]
        verdict = Verdict.VIOLATED if wrong else Verdict.HOLDS if rows else Verdict.UNDECIDED
        said = "; ".join(f"{each.offered}: {each.came} instead of {each.wanted}" for each in wrong)
        reason = said or f"all {len(rows)} handshakes came out as stated"
        table = [("offered", "wanted", "came"), *((each.offered, each.wanted, each.came) for each in rows)]
        evidence = {"expectation": "handshake", "table": table}
        observed = f"{len(rows) - len(wrong)} of {len(rows)} handshakes as stated"
        return Judgement(verdict, reason, len(rows), evidence, observed)

    def strict(self) -> Handshakes:
        """Itself: chance plays no part."""
        return self

    def controls(self) -> Sequence[Control]:
        """Gateways whose servers are for another host, or differ in just one of the things that are looked at."""
        found: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("for another host", {"hosts": ["elsewhere.invalid"]}, {})
        ]
        found += [
            (name, {}, tls) for name, tls in (*self._other_versions(), *self._other_suites(), *self._other_modes())
        ]
        if self.refuses:
            found.append((f"for {self.refuses[0]} too", {"hosts": ["*"]}, {}))
        return [Control(name, (Edit("Gateway", Servers(server, tls)),)) for name, server, tls in found]

    def _other_versions(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if not self.versions:
            return
        low, high = VERSIONS.index(self.versions[0]), VERSIONS.index(self.versions[-1])
        if low < high:
            yield f"from {VERSIONS[low + 1]} on", {"minProtocolVersion": _FIELD[VERSIONS[low + 1]]}
            yield f"up to {VERSIONS[high - 1]}", {"maxProtocolVersion": _FIELD[VERSIONS[high - 1]]}
        else:
            other = VERSIONS[low + 1] if low + 1 < len(VERSIONS) else VERSIONS[low - 1]
            first, last = sorted([other, VERSIONS[low]], key=VERSIONS.index)
            yield f"{other} too", {"minProtocolVersion": _FIELD[first], "maxProtocolVersion": _FIELD[last]}

    def _other_suites(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self.ciphers is None:
            return
        more = [each for each in ("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA") if each not in self.ciphers]
        if more:
            yield f"{' and '.join(more)} too", {"cipherSuites": [*self.ciphers, *more]}

    def _other_modes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for treatment, mode in _MODES.items():
            if self.client is not None and treatment != self.client:
                yield f"mode {mode}", {"mode": mode}

    @property
    def configured(self) -> str:
        """`TLSv1.2 to TLSv1.3, client certificates demanded`."""
        said = [f"TLS for the host{''.join(f', not for {each}' for each in self.refuses)}"]
        if self.versions is not None:
            said.append(" and ".join(self.versions) or "no version")
        if self.ciphers is not None:
            said.append(f"{len(self.ciphers)} cipher suites")
        if self.client is not None:
            said.append(f"client certificates {self.client}")
        return "; ".join(said)

    def __str__(self) -> str:
        return f"encrypted as stated ({self.configured})"


_CERTIFICATES = {NONE: "no client certificate", OWN: "a client certificate", STRANGER: "a stranger's certificate"}


@dataclass(frozen=True)
class Servers:
    """Servers of a Gateway with TLS get these fields, and these in `tls` (which those that pass it through have not)."""

    server: Mapping[str, Any]
    tls: Mapping[str, Any]

    def __call__(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The changed copy of the `spec`."""
        return {**spec, "servers": [self._changed(each) for each in spec["servers"]]}

    def _changed(self, server: Mapping[str, Any]) -> Mapping[str, Any]:
        if server["port"]["protocol"] not in ("HTTPS", "TLS"):
            return server
        given = server.get("tls", {})
        more = {} if given.get("mode") == "PASSTHROUGH" else self.tls
        return {**server, **self.server, "tls": {**given, **more}}


def _row(offered: str, wanted: bool, came: Negotiated) -> Row:
    return Row(offered, "accepted" if wanted else "refused", str(came), came.accepted is wanted)


def proves(name: str, host: str) -> bool:
    """Whether a name in a certificate is one for the host; a wildcard stands for one label (RFC 9525, section 6.3)."""
    if name.startswith("*."):
        return host.partition(".")[2].lower() == name[2:].lower()
    return name.lower() == host.lower()


def handshake(
    *,
    versions: Sequence[str] | None = None,
    ciphers: Sequence[str] | None = None,
    client: str | None = None,
    refuses: Sequence[str] = (),
) -> Handshakes:
    """What a server negotiates: `handshake(versions=["TLSv1.2", "TLSv1.3"], client="demanded")`. Its certificate must be for the host.

    * ``versions``  exactly these are accepted of TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3, each offered alone
    * ``ciphers``   exactly these suites (OpenSSL's names) of TLS 1.2 are accepted, as far as the key of the certificate fits
    * ``client``    a client's certificate is `ignored`, `optional` or `demanded`; one of somebody else's authority must not do
    * ``refuses``   server names for which there is nobody

    For `expect` with the https URL of the server. ValueError for what makes no sense.
    """
    if unknown := [each for each in versions or () if each not in VERSIONS]:
        raise ValueError(f"the versions of TLS are {', '.join(VERSIONS)}, not {unknown[0]!r}")
    if client is not None and client not in CLIENTS:
        raise ValueError(f"certificates of clients are {', '.join(CLIENTS)}, not {client!r}")
    if ciphers is not None and versions is not None and "TLSv1.2" not in versions:
        raise ValueError("cipher suites can be chosen up to TLSv1.2, which is not among the versions")
    ordered = None if versions is None else tuple(sorted(versions, key=VERSIONS.index))
    return Handshakes(ordered, None if ciphers is None else tuple(ciphers), client, tuple(refuses))
