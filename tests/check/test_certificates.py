"""Certificates, judged by their times and by who is trusted."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from meshtest.authority import Authority
from meshtest.meshes.kubernetes.check.certificates import (
    Certificate,
    lifetime,
    read_roots,
    roots,
    served,
    workload_certificates,
)
from tests.check.documents import NOW, told

DAYS = st.integers(-400, 400).map(lambda days: timedelta(days=days))


def of_envoy(serial="a1", begins=-12, ends=12, **name):
    """One as `/certs` lists it: hours from now."""

    def at(hours):
        return (NOW + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    names = [{"uri": "spiffe://cluster.local/ns/shop/sa/one"}] if not name else [name]
    return {"serial_number": serial, "valid_from": at(begins), "expiration_time": at(ends), "subject_alt_names": names}


def certs(*chain, trusted=("c0",)):
    return {"certificates": [{"ca_cert": [of_envoy(each) for each in trusted], "cert_chain": [one]} for one in chain]}


def judged(trusts=("c0",), **proxies):
    listed = {f"{name}.shop": document for name, document in proxies.items()}
    return told(workload_certificates("shop", listed, [Certificate(each, NOW, NOW) for each in trusts], NOW))


@given(DAYS, DAYS, st.integers(0, 100).map(lambda days: timedelta(days=days)))
def test_lifetimes(begins, ends, late):
    """Before it begins and after it ends it is an error, late a warning, else fine; remedies belong to what is wrong."""
    found = lifetime("x", Certificate("1", NOW + begins, NOW + ends), NOW, "renew", late)
    wrong = begins > timedelta() or ends <= timedelta()
    assert found.severity == ("error" if wrong else "warning" if ends < late else "ok")
    assert bool(found.remedy) == (found.severity != "ok")


def test_serials_are_written_as_envoy_does():
    """The same certificate is known by both: X.509 and `/certs` (with or without a leading zero)."""
    authority = Authority.new()
    (root,) = read_roots(authority.pem)
    parsed = x509.load_pem_x509_certificate(authority.pem.encode())
    same = {
        **of_envoy(f"0{parsed.serial_number:X}"),
        "valid_from": root.begins.isoformat(),
        "expiration_time": root.ends.isoformat(),
    }
    assert Certificate.of_envoy(same) == root


def test_roots():
    """There and shared, not there, nonsense, and another's."""
    ours, other = Authority.new().pem, Authority.new().pem
    now = read_roots(ours)[0].begins + timedelta(days=2)
    own = read_roots(ours)
    assert told(roots("shop", ours, own, now))[0][0] == "ok"
    assert told(roots("shop", other + ours, own, now))[0][0] == "ok"
    assert told(roots("shop", None, own, now))[0][2].startswith("is not there")
    assert told(roots("shop", "", own, now))[0][2].startswith("holds no certificate")
    assert told(roots("shop", other, own, now))[0][2].startswith("holds another root than the control plane's")
    assert told(roots("shop", other, (), now))[0][0] == "ok"


def test_roots_end_in_time_for_people():
    """A month before."""
    pem = Authority.new().pem
    (root,) = read_roots(pem)
    assert [told(roots("shop", pem, (), root.ends - timedelta(days=each)))[0][0] for each in (31, 29, 0)] == [
        "ok",
        "warning",
        "error",
    ]


def test_served():
    """With less than a fifth of its life left it should have been renewed."""
    hours = timedelta(hours=1)
    assert [
        served("x", Certificate("1", NOW - (10 - left) * hours, NOW + left * hours), NOW).severity for left in (3, 1)
    ] == [
        "ok",
        "warning",
    ]


def test_workloads_that_are_fine_are_one_finding():
    """With the time of the one that ends first."""
    found = judged(a=certs(of_envoy(ends=12)), b=certs(of_envoy(ends=9), of_envoy(ends=10)))
    assert found == [
        ("ok", "shop certificates", "2 of 2 proxies: valid for another 9 h, until 2026-05-04 21:00 UTC at the earliest")
    ]


def test_workloads_that_are_not():
    """Without one, expired, not renewed, and trusting another root."""
    found = judged(
        none={"certificates": []},
        old=certs(of_envoy(ends=-1)),
        late=certs(of_envoy(begins=-23, ends=1)),
        other=certs(of_envoy(), trusted=["c1"]),
    )
    assert found == [
        ("error", "shop pod/none certificate", "has none: it cannot speak mutual TLS"),
        ("error", "shop pod/old certificate", "expired 1 h ago, at 2026-05-04 11:00 UTC"),
        ("warning", "shop pod/late certificate", "valid for another 1 h, until 2026-05-04 13:00 UTC"),
        ("error", "shop pod/other certificate", "trusts another root than the control plane's"),
    ]
    assert judged(trusts=(), other=certs(of_envoy(), trusted=["c1"]))[0][0] == "ok"


def test_certificates_of_gateways():
    """One that a Gateway serves is the user's: said when it has expired, once."""
    expired = of_envoy("ee", ends=-2, dns="shop.example")
    found = judged(gate=certs(of_envoy(), expired, expired, of_envoy("ef", dns="shop.example")))
    assert ("warning", "shop pod/gate certificate", "serves a certificate (serial ee) that expired 2 h ago") in found
    assert len(found) == 2
