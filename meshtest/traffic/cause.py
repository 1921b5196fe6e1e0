"""What a proxy said of a request: why it got the answer that it got."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "-"  # what Envoy writes where there is nothing to say


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What one proxy logged of one request; an empty text, or None for a number, is what it did not say.

    * ``proxy``     the proxy's name as istioctl has it (``pod.namespace``)
    * ``token``, ``number``  which request it was (`meshtest.traffic.token`)
    * ``status``    the HTTP status that this proxy answered; 0 if none, and for TCP
    * ``flags``     Envoy's response flags in short (``UO``, ``DI``; ``URX``, ``UF``)
    * ``details``   its response code details (``via_upstream``, ``route_not_found``)
    * ``attempts``  how often it asked upstream, retries included
    * ``upstream_host``  the address that it asked last; ``upstream_instance`` whose that is (the pod's name, or a host outside)
    * ``upstream_cluster``, ``route_name``  by which it was found
    * ``duration``  seconds from the first byte of the request to the end of the answer
    * ``upstream_connect``  seconds that it took to open the upstream connection (which may be an older one)

    Points in time, as seconds from the first byte of the request (of the last attempt, where they are upstream's): ``request_end`` (read
    whole), ``upstream_start`` (first byte sent on), ``upstream_sent``, ``upstream_first_byte`` (of the answer), ``upstream_end``,
    ``response_start`` (first byte of the answer sent), ``response_end``.
    """

    proxy: str = ""
    token: str = ""
    number: int = 0
    status: int = 0
    flags: tuple[str, ...] = ()
    details: str = ""
    attempts: int | None = None
    upstream_host: str = ""
    upstream_instance: str = ""
    upstream_cluster: str = ""
    route_name: str = ""
    duration: float | None = None
    upstream_connect: float | None = None
    request_end: float | None = None
    upstream_start: float | None = None
    upstream_sent: float | None = None
    upstream_first_byte: float | None = None
    upstream_end: float | None = None
    response_start: float | None = None
    response_end: float | None = None

    @property
    def summary(self) -> str:
        """Status, flags and details as they stand in an access log: `404 NR route_not_found`."""
        return f"{self.status} {','.join(self.flags) or NONE} {self.details or NONE}"

    @property
    def held(self) -> float | None:
        """Seconds that this proxy kept the request before it sent it on, or answered it by itself.

        That is an injected delay, or waiting for a connection, and not the time that anything behind the proxy took; after a retry it
        includes the attempts before. Envoy's timers count from when its event loop woke up, and this from when the request was read: a
        busy proxy's delay may be shorter than it is set (by 14 ms of 100 with 64 connections at once, measured).
        """
        return self.response_start if self.upstream_start is None else self.upstream_start

    @property
    def plain(self) -> bool:
        """Whether nothing is remarkable: no flag, and a status below 400."""
        return not self.flags and self.status < 400
