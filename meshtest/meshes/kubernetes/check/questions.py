"""Questions to ports of pods, each over one forwarded connection: does what answers there speak as it must?

A question raises OSError (ssl.SSLError is one) or ValueError where the answer is not the right one.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

from cryptography import x509
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged
from h2.exceptions import ProtocolError

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api, Refused
from meshtest.meshes.kubernetes.check.answers import Answer
from meshtest.meshes.kubernetes.check.certificates import Certificate
from meshtest.meshes.kubernetes.check.pods import Pod

PATIENT = 5.0
"""Seconds for one answer; what is asked for is in memory, so this is as long as a very busy machine takes."""


def page(connection: socket.socket, path: str) -> bytes:
    """What an HTTP server has at a path."""
    connection.settimeout(PATIENT)
    client = http.client.HTTPConnection("localhost")
    client.sock = connection
    client.request("GET", path)
    try:
        answer = client.getresponse()
        body = answer.read()
    except http.client.RemoteDisconnected:
        raise  # an OSError, as others are that say nothing of HTTP
    except http.client.HTTPException as error:
        raise ValueError(f"no HTTP: {error or type(error).__name__}") from error
    if answer.status != 200:
        raise ValueError(f"HTTP {answer.status} {body[:80].decode('utf-8', 'replace').strip()}".strip())
    return body


def settings(connection: socket.socket) -> None:
    """Greet a gRPC server, which must answer with the SETTINGS of HTTP/2."""
    connection.settimeout(PATIENT)
    greeting = H2Connection(H2Configuration(client_side=True))
    greeting.initiate_connection()
    connection.sendall(greeting.data_to_send())
    said = b""
    while data := connection.recv(65536):
        said += data
        try:
            events = greeting.receive_data(data)
        except ProtocolError:
            break
        if any(isinstance(event, RemoteSettingsChanged) for event in events):
            return
    raise ValueError(f"no HTTP/2, but {said[:40]!r}" if said else "the connection ended without an answer")


def secured(connection: socket.socket, name: str, roots: str | None, protocol: str) -> ssl.SSLSocket:
    """Speak TLS with a server that must prove a name to those who trust `roots` (PEM); None takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols([protocol])
    if roots is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=roots)
    connection.settimeout(PATIENT)
    return context.wrap_socket(connection, server_hostname=name)


def words(error: Exception) -> str:
    """Why a question was not answered, for the one who reads it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"nothing within {PATIENT:.0f} s"
    if isinstance(error, (ssl.SSLError, ConnectionError)):
        return "the connection ended without an answer: nothing listens there, or it does not speak TLS"
    return " ".join(str(error).split()) or type(error).__name__


class Questions:
    """Asks ports of pods through the API server. Refused for lack of rights (403) is passed on: it says nothing of the port."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def page(self, pod: Pod, port: int, path: str) -> bytes:
        """An HTTP page of a port; ValueError or OSError if there is none."""
        with self._connected(pod, port) as connection:
            return page(connection, path)

    def http(self, pod: Pod, port: int, path: str, said: str) -> Answer:
        """Whether a port has a page; `said` is what that proves."""
        return _answer(pod, port, f"GET {path}", lambda: (self.page(pod, port, path), said)[1])

    def grpc(self, pod: Pod, port: int) -> Answer:
        """Whether a port speaks gRPC in the clear; proxies use the one over TLS, unless they are told otherwise."""

        def ask() -> str:
            with self._connected(pod, port) as connection:
                settings(connection)
            return "(XDS)"

        return replace(_answer(pod, port, "gRPC in the clear", ask), essential=False)

    def secure_grpc(self, pod: Pod, port: int, name: str, roots: str | None) -> Answer:
        """Whether a port speaks gRPC over TLS and proves a name; with the certificate that it shows."""

        def ask() -> str:
            with self._connected(pod, port) as connection, secured(connection, name, roots, "h2") as channel:
                settings(channel)
            return "(XDS over TLS)" if roots else "(XDS over TLS; its certificate was not verified)"

        answer = _answer(pod, port, f"gRPC over TLS as {name}", ask)
        return replace(answer, certificate=self._shown(pod, port, name))

    def secure_page(self, pod: Pod, port: int, name: str, roots: str | None, path: str) -> Answer:
        """Whether a port has a page over TLS and proves a name."""

        def ask() -> str:
            with self._connected(pod, port) as connection, secured(connection, name, roots, "http/1.1") as channel:
                page(channel, path)
            return "(webhooks)"

        return _answer(pod, port, f"GET {path} over TLS as {name}", ask)

    def _connected(self, pod: Pod, port: int) -> socket.socket:
        return self._api.forward(pod.namespace, pod.name, port)

    def _shown(self, pod: Pod, port: int, name: str) -> Certificate | None:
        """The certificate that a port shows, whoever trusts it; None if it shows none."""
        try:
            with self._connected(pod, port) as connection, secured(connection, name, None, "h2") as channel:
                shown = channel.getpeercert(binary_form=True)
        except (OSError, MeshError):
            return None
        return Certificate.of(x509.load_der_x509_certificate(shown)) if shown else None


def _answer(pod: Pod, port: int, question: str, ask: Callable[[], str]) -> Answer:
    try:
        return Answer(pod.namespace, pod.name, port, question, said=ask())
    except (OSError, ValueError, MeshError) as error:
        if isinstance(error, Refused) and error.status == 403:
            raise
        return Answer(pod.namespace, pod.name, port, question, error=words(error))
