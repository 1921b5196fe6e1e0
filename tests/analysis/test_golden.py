"""The analysis of what a real istiod accepted: what is dubious is told, what is right is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meshtest.analysis.finding import INFO
from meshtest.analysis.reading import findings
from tests.resources.bookinfo_networking import FILES, text

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT.parent / "shared" / "golden"
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the recordings of a real istiod are not at {GOLDEN}")

CASES = sorted(path.stem for path in (GOLDEN / "cases").glob("*.yaml"))
MAY_WARN = json.loads((GOLDEN / "cases" / "may-warn.json").read_text()) if GOLDEN.is_dir() else {}
TRUTH = json.loads((GOLDEN / "wrong" / "truth.json").read_text()) if GOLDEN.is_dir() else {}

# The code that says what the first line of a dubious file says.
DUBIOUS = {
    "authz-deny-http-fields-on-tcp": "MT0815",
    "authz-from-commented-out": "MT0002",
    "authz-method-lower-case": "MT0811",
    "authz-principal-with-spiffe": "MT0812",
    "authz-selector-matches-nothing": "MT0801",
    "dr-consecutive-errors-legacy": "MT0511",
    "dr-min-health-percent-100": "MT0514",
    "dr-outlier-single-endpoint": "MT0512",
    "dr-subset-policy-replaces-pool": "MT0504",
    "dr-tls-disable-under-strict": "MT0544",
    "dr-wrong-namespace": "MT0502",
    "gateway-credential-missing": "MT0603",
    "gateway-port-not-on-service": "MT0602",
    "httproute-parent-listener-missing": "MT0902",
    "jwt-without-authz": "MT0831",
    "se-double-tls": "MT0542",
    "se-static-without-endpoints": "MT0711",
    "service-port-name-without-protocol": "MT0701",
    "sidecar-egress-omits-host": "MT1002",
    "vs-delegate-conflict": "MT0112",
    "vs-destination-port-not-on-service": "MT0102",
    "vs-destination-unknown-host": "MT0101",
    "vs-export-to-hides-it": "MT0401",
    "vs-fault-percentage-fraction": "MT0312",
    "vs-fault-without-percentage": "MT0311",
    "vs-gateway-missing": "MT0121",
    "vs-header-not-forwarded": "MT0209",
    "vs-host-not-in-gateway": "MT0122",
    "vs-http-rules-on-tcp-port": "MT0128",
    "vs-match-port-wrong": "MT0204",
    "vs-mesh-not-listed": "MT0123",
    "vs-narrow-prefix-after-wide": "MT0201",
    "vs-no-hosts-unreferenced-delegate": "MT0113",
    "vs-one-weight-omitted": "MT0301",
    "vs-retry-on-fault-abort": "MT0314",
    "vs-timeout-shorter-than-retries": "MT0321",
}


def doubts(path: Path, *topology: Path) -> list[str]:
    return [str(each) for each in findings([path], topology) if each.severity != INFO]


@needs_golden
def test_every_dubious_file_is_known() -> None:
    assert {path.stem.removeprefix("dubious-") for path in (GOLDEN / "wrong").glob("dubious-*")} == set(DUBIOUS)


OF_HTTPBIN = {
    "authz-method-lower-case",
    "jwt-without-authz",
    "authz-from-commented-out",
    "vs-destination-port-not-on-service",
}


@needs_golden
@pytest.mark.parametrize("name", sorted(DUBIOUS))
def test_dubious(name: str) -> None:
    found = findings([GOLDEN / "wrong" / f"dubious-{name}.yaml"], [GOLDEN / "topology.yaml"])
    assert DUBIOUS[name] in {each.code.name for each in found if each.severity != INFO}


@needs_golden
@pytest.mark.parametrize("name", sorted(DUBIOUS.keys() - OF_HTTPBIN))
def test_dubious_in_bookinfo(name: str) -> None:
    """Also where nobody says what exists."""
    found = findings([GOLDEN / "wrong" / f"dubious-{name}.yaml"])
    assert DUBIOUS[name] in {each.code.name for each in found if each.severity != INFO}


@needs_golden
@pytest.mark.parametrize("path", sorted((GOLDEN / "wrong").glob("tricky-*")), ids=lambda path: path.stem)
def test_tricky(path: Path) -> None:
    """Silent, or refused where the API server refuses it."""
    found = doubts(path, GOLDEN / "topology.yaml")
    assert bool(found) is not TRUTH[path.name]["accepted"], found
    assert all("MT0002" in each for each in found)


@needs_golden
@pytest.mark.parametrize("path", sorted((GOLDEN / "wrong").glob("reject-*")), ids=lambda path: path.stem)
def test_reject(path: Path) -> None:
    """What must be refused is an error, with its line."""
    if path.stem == "reject-yaml-duplicate-key" or TRUTH[path.name]["accepted"]:
        return
    assert any(": error: MT000" in each for each in doubts(path, GOLDEN / "topology.yaml"))


@needs_golden
@pytest.mark.parametrize("name", [name for name in CASES if name not in MAY_WARN])
def test_right_case(name: str) -> None:
    assert doubts(GOLDEN / "cases" / f"{name}.yaml", GOLDEN / "topology.yaml") == []


# Listed as doubtful, but only hints here, or not told: what they do is what they say, or nobody can tell.
QUIET = {
    "combo-sidecar-scope-with-rules",  # istiod adds services to which rules route
    "delegate-two-teams",
    "exportto-rules-from-another-namespace",
    "lb-hash-on-subset-and-port",
}


@needs_golden
@pytest.mark.parametrize("name", sorted(MAY_WARN))
def test_doubtful_case(name: str) -> None:
    found = doubts(GOLDEN / "cases" / f"{name}.yaml", GOLDEN / "topology.yaml")
    assert bool(found) is (name not in QUIET), found
    assert not any(": error: " in each for each in found)


@pytest.mark.parametrize("name", sorted(FILES))
def test_bookinfo(name: str, tmp_path: Path) -> None:
    """Istio's own samples, beside the subsets that they want, are silent but where they send traffic to what is not deployed."""
    for each in {name, "destination-rule-all"}:
        (tmp_path / f"{each}.yaml").write_text(text(each))
    found = [str(each) for each in findings([tmp_path]) if each.severity != INFO]
    absent = {"details-v2": 1, "ratings-db": 1, "ratings-mysql": 1, "ratings-mysql-vm": 1}
    assert len(found) == absent.get(name.removeprefix("virtual-service-"), 0), found
    assert all("MT0105" in each for each in found)


@pytest.mark.parametrize("manifest", sorted((ROOT / "suites" / "bookinfo").glob("*.yaml")), ids=lambda path: path.stem)
def test_suites(manifest: Path) -> None:
    """In Bookinfo nothing is doubtful; the other suites run with warnings as errors, each among its own workloads."""
    assert doubts(manifest) == []
