"""Questions, asked of real servers on loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from meshtest.authority import Authority
from meshtest.meshes.kubernetes.check.questions import page, secured, settings, words

NAME = "istiod.istio-system.svc"


@contextlib.contextmanager
def serving(serve):
    """An address at which each connection is given to `serve`, until the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def asking(serve):
    """A connection to such a server."""
    with serving(serve) as address, socket.create_connection(address) as connection:
        yield connection


class Pages(BaseHTTPRequestHandler):
    """`/ready` is there; nothing else is."""

    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()
        self.wfile.write(b"yes" if self.path == "/ready" else b"nothing here\n")

    def log_message(self, *_):
        """Be silent."""


def pages(connection):
    Pages(connection, ("127.0.0.1", 0), HTTPServer)


def http2(connection):
    """What a gRPC server does first."""
    server = H2Connection(H2Configuration(client_side=False))
    server.initiate_connection()
    connection.sendall(server.data_to_send())
    while connection.recv(65536):
        pass


def over_tls(authority, serve, name=NAME):
    """The same over TLS, by a certificate for a name."""

    def run(connection):
        with secure.wrap_socket(connection, server_side=True) as channel:
            serve(channel)

    secure = context(authority, name)
    return run


def context(authority, name):
    """A server's side of TLS."""
    certificate, key = authority.certificate(name)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pem")
        file.write_text(certificate + key)
        made.load_cert_chain(file)
    return made


def test_pages():
    """What is there; else the status and the server's words."""
    with asking(pages) as connection:
        assert page(connection, "/ready") == b"yes"
    with asking(pages) as connection, pytest.raises(ValueError, match=r"^HTTP 404 nothing here$"):
        page(connection, "/other")


def test_what_is_no_http():
    """A server that says something else, and one that hangs up."""
    with (
        asking(lambda connection: connection.sendall(b"SSH-2.0-x\r\n")) as connection,
        pytest.raises(ValueError, match="no HTTP"),
    ):
        page(connection, "/")
    with asking(lambda connection: connection.close()) as connection, pytest.raises((ValueError, OSError)) as caught:
        page(connection, "/")
    assert "ended without an answer" in words(caught.value)


def test_settings():
    """HTTP/2 is told from HTTP/1.1, and from nothing."""
    with asking(http2) as connection:
        settings(connection)
    with asking(pages) as connection, pytest.raises(ValueError, match="no HTTP/2"):
        settings(connection)
    with asking(lambda connection: connection.recv(1000)) as connection, pytest.raises((ValueError, OSError)):
        settings(connection)


def test_tls():
    """A name that is proved to those who trust; with the page behind it."""
    authority = Authority.new()
    with asking(over_tls(authority, pages)) as plain, secured(plain, NAME, authority.pem, "http/1.1") as connection:
        assert page(connection, "/ready") == b"yes"


def test_certificates_that_prove_nothing():
    """Another root, and another name: said, each in its words. Who trusts anybody sees the certificate."""
    authority, other = Authority.new(), Authority.new()
    for name, roots, why in (
        (NAME, other.pem, "unable to get local issuer certificate|self-signed"),
        ("istiod.mesh.svc", authority.pem, "Hostname mismatch"),
    ):
        with asking(over_tls(authority, pages)) as plain, pytest.raises(ssl.SSLCertVerificationError) as caught:
            secured(plain, name, roots, "h2")
        assert words(caught.value).startswith("its certificate is not accepted: ")
        assert any(each in words(caught.value) for each in why.split("|"))
    with asking(over_tls(authority, pages)) as plain, secured(plain, NAME, None, "h2") as connection:
        assert connection.getpeercert(binary_form=True)


def test_what_is_no_tls():
    """Said of a server in the clear, and of roots that are none."""
    with asking(pages) as plain, pytest.raises(ssl.SSLError) as caught:
        secured(plain, NAME, None, "h2")
    assert "does not speak TLS" in words(caught.value)
    with asking(pages) as plain, pytest.raises((ssl.SSLError, ValueError)):
        secured(plain, NAME, "?", "h2")


def test_words():
    """A deadline is told as such; an error without words by its kind."""
    assert words(TimeoutError()) == "nothing within 5 s"
    assert words(ValueError()) == "ValueError"
