"""A request as the bytes that go over the wire."""

from __future__ import annotations

from dataclasses import dataclass

from meshtest.traffic.request import Request, check_header

NUMBER = "{n}"  # in a user agent: stands for the request's number in its sample, from 0
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of a request, around its number where the user agent asks for it."""

    before: bytes
    after: bytes | None

    def numbered(self, number: int) -> bytes:
        """The bytes of the request with this number."""
        return self.before if self.after is None else b"%b%d%b" % (self.before, number, self.after)


def encode(request: Request, host: str, user_agent: str) -> Payload:
    """The HTTP/1.1 form of a request. Its own ``Host`` or ``User-Agent`` header goes before the one given here.

    Raises ``ValueError`` when the host or the user agent is no header value.
    """
    check_header("Host", host)
    check_header("User-Agent", user_agent)
    names = {name.lower() for name, _ in request.headers}
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {host}")
    if user_agent and "user-agent" not in names:
        lines.append(f"User-Agent: {user_agent}")
    if "accept" not in names:
        lines.append("Accept: */*")
    if request.body or request.method in _WITH_BODY:
        lines.append(f"Content-Length: {len(request.body)}")
    lines.extend(f"{name}: {value}" for name, value in request.headers)
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if NUMBER in user_agent and "user-agent" not in names:
        mark = f"User-Agent: {user_agent}".encode("latin-1")
        start = head.index(mark) + mark.index(NUMBER.encode())
        return Payload(head[:start], head[start + len(NUMBER) :] + request.body)
    return Payload(head + request.body, None)
