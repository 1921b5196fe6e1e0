"""A proxy before the API server that answers some requests itself, or breaks off; the server behind it stays the real one."""

import http.client
import http.server
import json
import socket
import ssl
import struct
import threading
from contextlib import contextmanager

RESET_BEFORE, RESET_AFTER = "reset before", "reset after"
HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Proxy(http.server.ThreadingHTTPServer):
    """`fault(method, path)` says what becomes of a request: None, RESET_BEFORE or RESET_AFTER it was passed on, or (status, headers)."""

    daemon_threads = True

    def __init__(self, server, fault):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = server.removeprefix("https://")
        self.fault = fault
        self.lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            fault = self.server.fault(self.command, self.path)
        if fault == RESET_BEFORE:
            return self.reset()
        if isinstance(fault, tuple):
            return self.reply(fault[0], fault[1], b'{"kind": "Status", "message": "by the proxy"}')
        status, headers, answer = self.passed_on(body)
        if fault == RESET_AFTER:
            return self.reset()
        return self.reply(status, headers, answer)

    def passed_on(self, body):
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        behind = http.client.HTTPSConnection(self.server.behind, context=trusting)
        try:
            headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP | {"host"}}
            behind.request(self.command, self.path, body or None, headers)
            answer = behind.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            behind.close()

    def reply(self, status, headers, body):
        self.send_response(status)
        for key, value in headers.items():
            if key.lower() not in HOP:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self):
        if self.connection.fileno() != -1:
            super().finish()

    def log_message(self, *args):
        pass


for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
    setattr(Handler, f"do_{method}", Handler.answer)


@contextmanager
def interposed(server, fault):
    """The URL of a proxy."""
    with Proxy(server, fault) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
            thread.join()


def kubeconfig(file, server, token):
    """A kubeconfig of one context."""
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "clusters": [{"name": "x", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
                "users": [{"name": "x", "user": {"token": token}}],
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            }
        )
    )
    return str(file)
