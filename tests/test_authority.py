"""The certificate authority of a run: what it issues is what TLS asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.authority import Authority
from meshtest.resources.name import address

AUTHORITY = Authority.new()
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


def read(pair: tuple[str, str]) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    """A certificate and its key."""
    key = load_pem_private_key(pair[1].encode(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(pair[0].encode()), key


def verified(issuer: Authority, certificate: x509.Certificate, name: x509.DNSName | x509.IPAddress) -> None:
    """Raises unless a strict verifier takes the certificate for the name."""
    store = Store([x509.load_pem_x509_certificate(issuer.pem.encode())])
    PolicyBuilder().store(store).build_server_verifier(name).verify(certificate, [])


@settings(deadline=None, max_examples=50)
@given(st.lists(LABEL, min_size=2, max_size=5).map(".".join).filter(lambda name: not address(name)))
def test_a_host_is_proved(name: str) -> None:
    """A certificate is for its host and no other, by this authority and no other; its key is P-256 and its own."""
    certificate, key = read(AUTHORITY.certificate(name))
    verified(AUTHORITY, certificate, x509.DNSName(name))
    for issuer, other in ((Authority.new(), name), (AUTHORITY, f"x.{name}")):
        with pytest.raises(x509.verification.VerificationError):
            verified(issuer, certificate, x509.DNSName(other))
    assert certificate.public_key() == key.public_key()
    assert key.curve.name == "secp256r1"


def test_names_of_each_kind() -> None:
    """Wildcards, addresses and SPIFFE names stand in one certificate, the first as its common name."""
    names = ("*.example.com", "127.0.0.1", "::1", "spiffe://cluster.local/ns/default/sa/reviews")
    certificate, _ = read(AUTHORITY.certificate(*names))
    verified(AUTHORITY, certificate, x509.DNSName("a.example.com"))
    verified(AUTHORITY, certificate, x509.IPAddress(ip_address("::1")))
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.UniformResourceIdentifier) == [names[3]]
    assert [str(each) for each in found.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    (common,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert common.value == "*.example.com"


def test_a_name_that_is_too_long_for_a_common_name() -> None:
    """A host longer than 64 characters is in the alternative names alone."""
    name = ".".join(["a" * 60] * 3)
    certificate, _ = read(AUTHORITY.certificate(name))
    verified(AUTHORITY, certificate, x509.DNSName(name))
    (common,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert common.value == "meshtest"


def test_the_same_names_have_the_same_certificate() -> None:
    """Asked again, it answers the same, so that nothing changes where nothing has changed; another authority answers otherwise."""
    assert AUTHORITY.certificate("a.b", "c.d") == AUTHORITY.certificate("a.b", "c.d")
    assert AUTHORITY.certificate("a.b") != AUTHORITY.certificate("a.b", "c.d")
    again = Authority(AUTHORITY.pem, AUTHORITY.key)
    certificate, _ = read(again.certificate("a.b"))
    verified(AUTHORITY, certificate, x509.DNSName("a.b"))


def test_it_is_valid_now() -> None:
    """Clocks may differ by hours, and a mesh may stay up for weeks."""
    now = datetime.now(UTC)
    for text in (AUTHORITY.pem, AUTHORITY.certificate("a.b")[0]):
        certificate = x509.load_pem_x509_certificate(text.encode())
        assert (now - certificate.not_valid_before_utc).total_seconds() > 3600 * 12
        assert (certificate.not_valid_after_utc - now).days > 30


@pytest.mark.parametrize("names", [(), ("",), ("ä.example.com",)])
def test_names_that_no_certificate_can_hold(names: tuple[str, ...]) -> None:
    """No name, an empty one, or one that is not ASCII is a ValueError."""
    with pytest.raises(ValueError, match=r"\w"):
        AUTHORITY.certificate(*names)
