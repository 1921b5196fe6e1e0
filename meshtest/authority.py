"""A certificate authority of one run: everything that speaks TLS here proves itself by it. Keys are ECDSA P-256."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

Pair = tuple[str, str]

_NAME = "meshtest"
_EARLIER, _LONGEST = timedelta(days=1), timedelta(days=365)
_COMMON_NAME = 64  # characters; X.520 takes no more


class Authority:
    """Issues certificates. `pem` is its own certificate, for clients to trust; both texts are PEM."""

    def __init__(self, pem: str, key: str) -> None:
        self.pem = pem
        self.key = key
        self._issued: dict[tuple[str, ...], Pair] = {}

    @classmethod
    def new(cls) -> Self:
        """An authority of its own, that nobody else trusts."""
        from cryptography import x509

        key = _key()
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        name = _named(f"{_NAME} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}")
        certificate = (
            _builder(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        return cls(_signed(certificate, key), _text(key))

    def certificate(self, *names: str) -> Pair:
        """A certificate for servers and clients, and its key; the same for the same names.

        Names are those of hosts (`*.example.com` too), IP addresses, and URIs such as `spiffe://cluster.local/ns/default/sa/reviews`.
        Raises ValueError for a name that no certificate can hold.
        """
        if names not in self._issued:
            self._issued[names] = self._issue(names)
        return self._issued[names]

    def _issue(self, names: Sequence[str]) -> Pair:
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

        if not names:
            raise ValueError("a certificate is for one name at least")
        key = _key()
        first = next((name for name in names if len(name) <= _COMMON_NAME), _NAME)
        own, signing = self._own
        certificate = (
            _builder(_named(first), own.subject, key)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        )
        return _signed(certificate, signing), _text(key)

    @cached_property
    def _own(self) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(self.key.encode(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        return x509.load_pem_x509_certificate(self.pem.encode()), key


def _key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _named(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + _LONGEST)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _alternative(name: str) -> Any:
    from cryptography import x509

    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _signed(certificate: x509.CertificateBuilder, key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _text(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
