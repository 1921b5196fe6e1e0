"""One TLS handshake: what a client offers, and what comes of it."""

from __future__ import annotations

import socket
import ssl
import warnings
from dataclasses import dataclass
from typing import Any

from meshtest.errors import MeshError

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_BUFFER = 65536


@dataclass(frozen=True)
class Handshake:
    """What was negotiated: version, cipher suite (as OpenSSL writes them) and the names in the server's certificate.

    `key` is the kind of its key (`ECDSA`, `RSA`); `refused` says why there is none of that, in a few words, and is empty otherwise.
    """

    version: str = ""
    cipher: str = ""
    names: tuple[str, ...] = ()
    key: str = ""
    refused: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the connection can be used."""
        return not self.refused

    def __str__(self) -> str:
        if self.refused:
            return f"refused ({self.refused})"
        return f"{self.version} {self.cipher}, {', '.join(self.names) or 'a certificate without names'}"


def offering(context: ssl.SSLContext, version: str | None, ciphers: str | None) -> ssl.SSLContext:
    """The context, changed to offer this version and these suites alone, however weak. ValueError for what OpenSSL does not know."""
    if version is not None:
        if version not in VERSIONS:
            raise ValueError(f"the versions of TLS are {', '.join(VERSIONS)}, not {version!r}")
        with warnings.catch_warnings():  # Python warns of what is old, and that is the question here
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = VERSIONS[version]
            context.minimum_version = VERSIONS[version]
    try:
        context.set_ciphers(f"{ciphers or 'DEFAULT'}:@SECLEVEL=0")
    except ssl.SSLError:
        raise ValueError(f"this OpenSSL knows no cipher suite {ciphers!r}") from None
    return context


def handshake(
    address: tuple[str, int], source: str | None, server_name: str, context: ssl.SSLContext, timeout: float = 10.0
) -> Handshake:
    """Connect and negotiate; MeshError if nothing comes within `timeout` seconds, or this client cannot offer what it should.

    In TLS 1.3 a server looks at the client's certificate after the client is done, and says only then whether it will do: with an alert,
    or an answer. So something is asked there, by HTTP.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name or None)
    try:
        connection = socket.create_connection(address, timeout, (source, 0) if source else None)
    except ConnectionError as error:
        return Handshake(refused="nothing listens" if isinstance(error, ConnectionRefusedError) else _why(error))
    with connection:
        try:
            _negotiate(tls, incoming, outgoing, connection)
        except TimeoutError:
            raise MeshError(f"{server_name} does not answer a TLS handshake within {timeout:g} s") from None
        except (ssl.SSLError, OSError) as error:
            return Handshake(refused=_why(error))
        suite = tls.cipher()
        certificate: dict[str, Any] = dict(tls.getpeercert() or {})
        names = tuple(str(value) for _, value in certificate.get("subjectAltName", ()))
        return Handshake(tls.version() or "", suite[0] if suite else "", names, _key(tls.getpeercert(True)))


def _negotiate(tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, connection: socket.socket) -> None:
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            _exchange(incoming, outgoing, connection)
        except ssl.SSLError as error:
            if not outgoing.pending and not incoming.eof and error.reason in _OWN:
                raise MeshError(f"this client cannot offer what the test asks for: {error.reason}") from None
            raise
    connection.sendall(outgoing.read())
    if tls.version() == "TLSv1.3":
        _ask(tls, incoming, outgoing, connection)


def _ask(tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, connection: socket.socket) -> None:
    """Ask for anything, and wait for what is said: that is when a server has looked at the client's certificate."""
    tls.write(b"HEAD / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (tls.server_hostname or "").encode())
    while True:
        try:
            tls.read(1)
        except ssl.SSLWantReadError:
            _exchange(incoming, outgoing, connection)
        except ssl.SSLZeroReturnError:
            return  # it has closed the connection in an orderly way
        else:
            return


_OWN = ("NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE")


def _exchange(incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, connection: socket.socket) -> None:
    connection.sendall(outgoing.read())
    data = connection.recv(_BUFFER)
    if not data:
        raise ConnectionResetError("closed")
    incoming.write(data)


def _why(error: OSError) -> str:
    """`TLSV1_ALERT_PROTOCOL_VERSION`, `closed`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return "closed" if isinstance(error, ConnectionError | ssl.SSLEOFError) else str(error)


def _key(certificate: bytes | None) -> str:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.x509 import load_der_x509_certificate

    if certificate is None:
        return ""
    return "ECDSA" if isinstance(load_der_x509_certificate(certificate).public_key(), EllipticCurvePublicKey) else "RSA"
