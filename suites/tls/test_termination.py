"""TLS that ends at the gateway: versions, cipher suites, certificates of servers and clients, and redirects to it."""

import pytest

from meshtest import GET, answered, handshake

pytestmark = pytest.mark.mesh_mutants(
    skip={
        "Gateway/bookinfo:*.credentialName=*": "another name of a certificate for the same host",
        "Gateway/bookinfo:servers[0].tls.cipherSuites[1]*": "for certificates with an RSA key; the mesh's authority makes none",
    }
)

REVIEWS = GET("https://reviews.example.com/reviews/0")
DETAILS = GET("https://details.example.com/details/0")
SHOP = GET("https://books.shop.example.com/productpage")
SIMPLE = handshake(
    versions=["TLSv1.2", "TLSv1.3"],
    ciphers=["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
    client="ignored",
    refuses=["other.example.com"],
)
MUTUAL = handshake(versions=["TLSv1.3"], client="demanded")
OPTIONAL = handshake(versions=["TLSv1.2"], client="optional")
CASES = [(REVIEWS, SIMPLE), (DETAILS, MUTUAL), (SHOP, OPTIONAL)]
MOVED = answered(301, headers={"location": "https://reviews.example.com/reviews/0"})


def test_simple(mesh, ingress):
    """SIMPLE asks clients for nothing, takes the cipher suites that it lists, TLS 1.2 at the least, and no server name but its own."""
    mesh.apply("test_termination.yaml")
    ingress.expect(REVIEWS, SIMPLE)


def test_mutual(mesh, ingress):
    """MUTUAL demands a certificate of the authority that it trusts; `minProtocolVersion` refuses what is older."""
    mesh.apply("test_termination.yaml")
    ingress.expect(DETAILS, MUTUAL)


def test_optional_mutual(mesh, ingress):
    """OPTIONAL_MUTUAL lets in who proves nothing, and not who proves a wrong thing; `maxProtocolVersion` refuses what is newer."""
    mesh.apply("test_termination.yaml")
    ingress.expect(SHOP, OPTIONAL)


def test_requests_are_read(mesh, ingress):
    """Behind its handshake each host on the port has its own routes."""
    mesh.apply("test_termination.yaml")
    client = mesh.authority.certificate("client")
    assert "reviews" in ingress.get(REVIEWS.target).json()
    assert ingress.get(DETAILS.target, certificate=client).json()["id"] == 0
    assert "Simple Bookstore App" in ingress.get(SHOP.target).text


def test_redirect(mesh, ingress):
    """`httpsRedirect` answers 301 with the same URL in https."""
    mesh.apply("test_termination.yaml")
    ingress.expect(GET("http://reviews.example.com/reviews/0"), MOVED)


@pytest.mark.parametrize("case", CASES, ids=["simple", "mutual", "optional"])
def test_wrong_servers_are_noticed(mesh, ingress, case):
    """Another version, suite, mode or host is called VIOLATED."""
    mesh.apply("test_termination.yaml")
    ingress.control(*case)
