"""Resources that are wrong, or look so, each with what a real API server and istiod's webhook answered (`../shared/golden/wrong`)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from meshtest.errors import ResourceError
from meshtest.resources.manifest import SCHEMAS, check, is_istio, read_files
from meshtest.resources.problem import WrongResources

FOLDER = Path(__file__).parents[3] / "shared" / "golden" / "wrong"
KINDS = {kind for _, kind in SCHEMAS}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the recordings of a real API server are not at {FOLDER}")

TRUTH = json.loads((FOLDER / "truth.json").read_text()) if FOLDER.is_dir() else {}
ACCEPTED = [name for name, truth in TRUTH.items() if truth["accepted"]]
REJECTED = [name for name, truth in TRUTH.items() if not truth["accepted"]]

# The line and words of each complaint; what Kubernetes' other kinds are refused for is not this package's business yet.
CAUSES = {
    "dubious-authz-from-commented-out": (13, "spec.rules[0].from: has no value (null)"),
    "reject-authz-ipblock-invalid": (16, "after the `/` stands the number of leading bits that count, at most 32"),
    "reject-authz-when-unknown-key": (
        14,
        "there is no attribute 'request.header[x-role]'; did you mean 'request.headers[x-role]'?",
    ),
    "reject-pa-port-mtls-without-selector": (
        10,
        "spec.portLevelMtls: is for the ports of some workloads: add a `selector`",
    ),
    "reject-ra-issuer-empty": (12, "spec.jwtRules[0].issuer: must not be empty: it is the `iss` of the tokens"),
    "reject-ra-jwks-and-jwksuri": (14, "'jwks' and 'jwksUri' exclude each other"),
    "reject-dr-empty-traffic-policy": (9, "spec.trafficPolicy: must have at least one field"),
    "reject-dr-lb-simple-and-hash": (12, "'consistentHash' and 'simple' exclude each other"),
    "reject-dr-lb-unknown-enum": (11, "this is the text 'LEAST_CONNECTIONS'; did you mean 'LEAST_CONN'?"),
    "reject-dr-max-ejection-over-100": (14, "must be from 0 to 100; this is 101"),
    "reject-dr-outlier-interval-zero": (12, "must be a duration of at least 1ms"),
    "reject-dr-subset-label-number": (12, "spec.subsets[0].labels.version: must be a text; this is the number 1.0"),
    "reject-dr-subset-without-name": (10, "the field 'name' is missing"),
    "reject-gateway-duplicate-port-name": (19, "the port name 'http' is used twice"),
    "reject-gateway-hosts-empty": (15, "must have at least 1 item"),
    "reject-gateway-no-servers": (7, "the field 'servers' is missing"),
    "reject-gateway-port-over-65535": (12, "must be from 1 to 65535; this is 70000"),
    "reject-gateway-port-zero": (12, "must be from 1 to 65535; this is 0"),
    "reject-gateway-protocol-unknown": (14, "this is the text 'HTTP1'; did you mean 'HTTP'?"),
    "reject-httproute-redirect-with-backend": (19, "sends nothing on: take the backendRefs away"),
    "reject-httproute-rewrite-both-path-kinds": (24, "belongs to the type ReplacePrefixMatch"),
    "reject-httproute-weight-negative": (17, "must be from 0 to 1000000; this is -1"),
    "reject-kind-misspelt": (
        3,
        "there is no kind 'VirtualServices' in networking.istio.io; did you mean 'VirtualService'?",
    ),
    "reject-se-address-invalid": (11, "spec.addresses[0]: must be an IP address, or a range"),
    "reject-workloadentry-without-address": (7, "the field 'address' is missing"),
    "reject-vs-cors-method-unknown": (16, "must be one of GET, HEAD, POST"),
    "reject-vs-fault-abort-status-99": (13, "must be from 200 to 599; this is 99"),
    "reject-vs-fault-percentage-bare-number": (14, "must be a mapping such as {value: 50}; this is the number 50"),
    "reject-vs-header-exact-yes-boolean": (14, "this is the boolean true to YAML: put it in quotes"),
    "reject-vs-host-star-on-mesh": (9, "the host * is not allowed on the mesh: bind it to gateways"),
    "reject-vs-hosts-empty-with-gateways": (7, "must have no gateways: name the hosts"),
    "reject-vs-misspelt-weight": (
        19,
        "spec.http[0].route[1].wieght: there is no field 'wieght' here; did you mean 'weight'?",
    ),
    "reject-vs-per-try-timeout-under-1ms": (13, "must be a duration of at least 1ms"),
    "reject-vs-redirect-and-direct-response": (11, "cannot have both redirect and directResponse"),
    "reject-vs-regex-lookahead": (13, "RE2"),
    "reject-vs-timeout-negative": (11, "must be a duration of at least 1ms"),
    "reject-vs-timeout-zero": (11, "where none is meant, take the field away"),
    "reject-yaml-alias-bomb": (8, "aliases expand to more values"),
    "reject-yaml-tab-indent": (11, "never with tabs"),
    "tricky-dr-traffic-policy-null": (9, "spec.trafficPolicy: has no value (null)"),
}


def complaint(name: str) -> ResourceError | None:
    """What is said against a file; None if nothing is."""
    try:
        check([each for each in read_files([FOLDER / name]) if is_istio(each)])
    except ResourceError as error:
        return error
    return None


def not_implemented(error: ResourceError | None) -> bool:
    """Whether the file is only refused for what the local mesh does not implement."""
    return isinstance(error, WrongResources) and error.unsupported


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(name: str) -> None:
    """What the API server refuses is refused, with file, line, path and cause."""
    error = complaint(name)
    assert error is not None
    stem = name.removesuffix(".yaml")
    if stem not in CAUSES:
        assert not_implemented(error), str(error)
        return
    line, words = CAUSES[stem]
    (said,) = str(error).splitlines()
    assert said.startswith(f"{FOLDER / name}:{line}: ")
    assert words in said
    assert stem.startswith("reject-yaml") or re.match(r".*:\d+: \w+ [\w-]+/[\w-]+ [-\w.\[\]]+: ", said)


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    """What the API server takes is taken, unless something in it is not implemented, and then nothing is called wrong."""
    error = complaint(name)
    assert error is None or not_implemented(error), str(error)
    if error is None or name.startswith("dubious"):
        return
    kinds = {each.kind for each in read_files([FOLDER / name])}
    assert kinds - KINDS, "a file of implemented kinds that only looks wrong is accepted"


def test_none_is_left_out() -> None:
    """Each complaint that is spelt out above is about a file that is there."""
    assert {f"{name}.yaml" for name in CAUSES} <= set(REJECTED)
