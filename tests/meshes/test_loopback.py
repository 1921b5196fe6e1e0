"""Addresses and ports on loopback: ours alone, and free."""

from __future__ import annotations

import socket
import sys

import pytest

from meshtest.errors import MeshError
from meshtest.meshes.local import loopback
from meshtest.meshes.local.loopback import Loopback

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is one loopback address")


@linux
def test_blocks_are_claimed() -> None:
    """Two runs never get the same block; a block that is given back can be claimed again."""
    first, second = Loopback(), Loopback()
    blocks = [{each.address().rpartition(".")[0] for _ in range(300)} for each in (first, second)]
    assert blocks[0].isdisjoint(blocks[1])
    assert all(len(block) == 2 for block in blocks)
    name = next(iter(blocks[0]))
    with socket.socket(socket.AF_UNIX) as rival, pytest.raises(OSError, match="in use"):
        rival.bind(f"\0meshtest-{name}")
    first.close()
    with socket.socket(socket.AF_UNIX) as heir:
        heir.bind(f"\0meshtest-{name}")
    second.close()


@linux
def test_ports_in_use_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port on which somebody listens, on this address or on all, is not handed out; no port is handed out twice."""
    own = Loopback()
    address = own.address()
    with socket.socket() as rival:
        rival.bind((address, 0))
        rival.listen()
        taken = rival.getsockname()[1]
        monkeypatch.setattr(loopback, "_FIRST_PORT", taken)
        monkeypatch.setattr(loopback, "_LAST_PORT", taken + 4)
        ports = [own.port(address) for _ in range(3)]
        assert taken not in ports
        assert len(set(ports)) == 3
        with pytest.raises(MeshError, match="no free port"):
            own.port(address)
    own.close()


def test_without_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a loopback interface the error says so, and what to do."""

    def unreachable(address: str, port: int) -> int:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(loopback, "_bound", unreachable)
    with pytest.raises(MeshError, match=r"no loopback: .*ip link set lo up"):
        Loopback().address()


def test_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one loopback address, each purpose gets a free port of it."""
    monkeypatch.setattr(sys, "platform", "darwin")
    own = Loopback()
    assert {own.address() for _ in range(3)} == {"127.0.0.1"}
    assert own.port("127.0.0.1") > 0
    assert not own.claims
