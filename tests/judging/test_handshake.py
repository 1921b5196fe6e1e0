"""What a server negotiates, as a table: right and wrong servers, invented; and controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from meshtest.judging.handshake import VERSIONS, Handshakes, Servers, handshake, proves
from meshtest.judging.verdict import Verdict

HOLDS, VIOLATED = Verdict.HOLDS, Verdict.VIOLATED


@dataclass(frozen=True)
class Came:
    """What came of a handshake."""

    accepted: bool = True
    names: tuple[str, ...] = ("web.example.com",)
    version: str = "TLSv1.3"
    cipher: str = ""
    key: str = "ECDSA"


@dataclass(frozen=True)
class Server:
    """A server that accepts what is listed; `demands` which certificates of clients it wants."""

    versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: tuple[str, ...] = ("ECDHE-ECDSA-AES128-GCM-SHA256",)
    lets_in: tuple[str, ...] = ("none", "own", "stranger")
    hosts: tuple[str, ...] = ("web.example.com",)
    names: tuple[str, ...] = ("web.example.com",)

    def __call__(
        self, *, version: str | None = None, ciphers: str | None = None, client: str = "none", server_name: str = ""
    ) -> Came:
        accepted = (
            (version is None or version in self.versions)
            and (ciphers is None or ciphers in self.ciphers)
            and client in self.lets_in
            and (server_name or "web.example.com") in self.hosts
        )
        return Came(accepted, self.names)


SIMPLE = handshake(
    versions=["TLSv1.3", "TLSv1.2"],
    ciphers=["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
    client="ignored",
    refuses=["other.example.com"],
)
RIGHT = Server()


def verdict(expectation: Handshakes, server: Callable[..., Any]) -> Verdict:
    """The verdict on an invented server."""
    return expectation.judge(list(expectation.rows(server, "web.example.com"))).verdict


@pytest.mark.parametrize(
    ("server", "wanted"),
    [
        (RIGHT, HOLDS),
        (replace(RIGHT, names=("*.example.com",)), HOLDS),
        (replace(RIGHT, names=("other.example.com",)), VIOLATED),
        (replace(RIGHT, versions=("TLSv1.2",)), VIOLATED),
        (replace(RIGHT, versions=VERSIONS[1:]), VIOLATED),
        (replace(RIGHT, ciphers=()), VIOLATED),
        (replace(RIGHT, ciphers=(*RIGHT.ciphers, "ECDHE-ECDSA-AES256-SHA")), VIOLATED),
        (replace(RIGHT, lets_in=("none", "own")), VIOLATED),
        (replace(RIGHT, hosts=("web.example.com", "other.example.com")), VIOLATED),
        (replace(RIGHT, hosts=()), VIOLATED),
    ],
)
def test_servers(server: Server, wanted: Verdict) -> None:
    """Each difference is found; suites for another kind of key than the server's do not matter."""
    assert verdict(SIMPLE, server) is wanted


@pytest.mark.parametrize("treatment", ["ignored", "optional", "demanded"])
@pytest.mark.parametrize(
    ("lets_in", "right"),
    [(("none", "own", "stranger"), "ignored"), (("none", "own"), "optional"), (("own",), "demanded")],
)
def test_clients(treatment: str, lets_in: tuple[str, ...], right: str) -> None:
    """What becomes of each kind of client tells the treatments apart."""
    assert (verdict(handshake(client=treatment), replace(RIGHT, lets_in=lets_in)) is HOLDS) is (treatment == right)


def test_what_is_said() -> None:
    """The reason names what was offered and what came instead."""
    rows = list(handshake(client="demanded").rows(RIGHT, "web.example.com"))
    found = handshake(client="demanded").judge(rows)
    assert found.observed == "2 of 4 handshakes as stated"
    assert "no client certificate: " in found.reason
    assert found.reason.count("instead of refused") == 2


@pytest.mark.parametrize(
    ("name", "host", "wanted"),
    [
        ("web.example.com", "WEB.example.com", True),
        ("*.example.com", "web.example.com", True),
        ("*.example.com", "a.web.example.com", False),
        ("*.example.com", "example.com", False),
    ],
)
def test_names(name: str, host: str, wanted: bool) -> None:
    """A wildcard stands for one label."""
    assert proves(name, host) is wanted


def test_controls() -> None:
    """Each is another Gateway; servers without TLS stay, and those that pass it through get no versions."""
    assert [each.name for each in SIMPLE.controls()] == [
        "for another host",
        "from TLSv1.3 on",
        "up to TLSv1.2",
        "ECDHE-ECDSA-AES128-SHA and ECDHE-RSA-AES128-SHA too",
        "mode OPTIONAL_MUTUAL",
        "mode MUTUAL",
        "for other.example.com too",
    ]
    only = handshake(versions=["TLSv1.3"]).controls()[1]
    assert only.name == "TLSv1.2 too"
    servers = [
        {"port": {"protocol": "HTTP"}, "hosts": ["a"]},
        {"port": {"protocol": "TLS"}, "hosts": ["a"], "tls": {"mode": "PASSTHROUGH"}},
        {"port": {"protocol": "HTTPS"}, "hosts": ["a"], "tls": {"mode": "SIMPLE"}},
    ]
    changed = Servers({"hosts": ["b"]}, {"mode": "MUTUAL"})({"servers": servers})["servers"]
    assert changed[0] == servers[0]
    assert [each["tls"]["mode"] for each in changed[1:]] == ["PASSTHROUGH", "MUTUAL"]
    assert [each["hosts"] for each in changed[1:]] == [["b"], ["b"]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"versions": ["1.2"]}, "the versions of TLS are"),
        ({"client": "must"}, "certificates of clients are"),
        ({"versions": ["TLSv1.3"], "ciphers": ["x"]}, "up to TLSv1.2"),
    ],
)
def test_senseless(given: dict[str, Any], words: str) -> None:
    """What makes no sense is said where it is written."""
    with pytest.raises(ValueError, match=words):
        handshake(**given)
