"""Single requests and connections: to an address, under the name that a URL has."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import tempfile

import httpx

Pair = tuple[str, str]


def context(trusted: str, certificate: Pair | None, check_name: bool = True) -> ssl.SSLContext:
    """A client's TLS: it trusts these certificates (PEM) alone, and proves itself with a certificate and its key, if it has them.

    Without `check_name` a server may prove any name, as long as one of those trusted has issued it.
    """
    made = ssl.create_default_context(cadata=trusted)
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what is trusted need not sign itself
    made.check_hostname = check_name
    if certificate is not None:
        descriptor, path = tempfile.mkstemp()  # OpenSSL reads keys from files, which nobody else can
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write("\n".join(certificate))
            made.load_cert_chain(path)
        finally:
            os.unlink(path)
    return made


class _Named(httpx.HTTPTransport):
    """Asks for a server name that is not the one of the URL."""

    def __init__(self, server_name: str, local_address: str | None, verify: ssl.SSLContext) -> None:
        super().__init__(local_address=local_address, verify=verify, retries=0)
        self._server_name = server_name

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""
        request.extensions = {**request.extensions, "sni_hostname": self._server_name}
        return super().handle_request(request)


def transport(source: str | None, server_name: str | None, secured: ssl.SSLContext | None) -> httpx.HTTPTransport:
    """How an httpx client connects: from an address, and with TLS if there is a name that the server must prove."""
    if server_name is None or secured is None:
        return httpx.HTTPTransport(
            local_address=source, retries=0, verify=False
        )  # there is nothing to verify in the clear
    return _Named(server_name, source, secured)


def connected(
    address: tuple[str, int],
    source: str | None,
    timeout: float,
    server_name: str | None,
    secured: ssl.SSLContext | None,
) -> socket.socket:
    """A connection from an address; with TLS if there is a name that the server must prove."""
    plain = socket.create_connection(address, timeout, (source, 0) if source else None)
    if server_name is None or secured is None:
        return plain
    try:
        return secured.wrap_socket(plain, server_hostname=server_name)
    except BaseException:
        with contextlib.suppress(OSError):
            plain.close()
        raise


def asked(address: tuple[str, int], host: str, timeout: float = 5.0) -> str:
    """The body of a 200 for a host, in the clear and over a connection of its own; empty for any other answer, and for none."""
    url = f"http://{f'[{address[0]}]' if ':' in address[0] else address[0]}:{address[1]}/"
    try:
        answer = httpx.get(url, headers={"Host": host}, timeout=timeout, trust_env=False)
    except httpx.HTTPError:
        return ""
    return answer.text if answer.status_code == httpx.codes.OK else ""
