"""The command `meshtest explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtest.cli import main
from meshtest.explain.call import call, header
from tests.translate.snapshots import GATEWAY, SUBSETS, virtual_service

SUITES = sorted((Path(__file__).parents[2] / "suites" / "bookinfo").glob("*.yaml"))
BOUND = "gateways: [edge]"
RULES = (
    GATEWAY + virtual_service("- route: [{destination: {host: reviews, subset: v1}}]", "['*']", more=BOUND) + SUBSETS
)


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    """A file with a rule for everything."""
    file = tmp_path / "rules.yaml"
    file.write_text(RULES)
    return str(file)


def run(*arguments: str) -> int:
    """The exit status."""
    return main(["explain", *arguments])


def test_text_and_json(manifest: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Both forms say the same."""
    assert run("http://any.com/reviews/0", manifest) == 0
    text = capsys.readouterr().out
    assert run("http://any.com/reviews/0", manifest, "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["call"], found["from"], found["taken"]) == ("GET http://any.com/reviews/0", "outside", True)
    hop = found["hop"]
    for said in (hop["proxy"], hop["listener"], hop["virtualHost"], hop["rule"]["rule"], hop["rule"]["where"]):
        assert said in text
    (cluster,) = hop["clusters"]
    assert (cluster["host"], cluster["port"], cluster["subset"], cluster["share"]) == (
        *("reviews.default.svc.cluster.local", 9080, "v1"),
        1.0,
    )
    assert cluster["endpoints"][0]["pod"].startswith("reviews-v1-")
    assert cluster["hops"][0]["clusters"][0]["end"]["says"] == "the workload answers on port 9080"


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.stem)
def test_requests_of_the_suites(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The requests of the suites are explained by the file and line of the rule that decides."""
    calls = (
        ["--from", "productpage-v1", "http://reviews:9080/reviews/0"] if "productpage" in suite.stem else ["/reviews/0"]
    )
    assert run(*calls, str(suite)) == 0
    printed = capsys.readouterr().out
    jason = "jason" in suite.stem  # of two rules the second decides, and the first says why it does not
    rule = 1 if jason else 0
    lines = suite.read_text().splitlines()
    where = next(line for line in printed.splitlines() if line.startswith("  rule")).rpartition(":")
    assert f"VirtualService default/reviews spec.http[{rule}] at {suite}" in where[0]
    assert lines[int(where[2]) - 1].strip().startswith(("- match:", "- uri:", "- route:", "- headers:"))
    assert ("header end-user exact jason: the request has no such header" in printed) is jason
    if jason:
        assert run("-H", "end-user: jason", *calls, str(suite)) == 0
        assert "spec.http[0] at" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["http://any.com/"], 0),
        (["https://any.com/"], 1),
        (["http://any.com:81/"], 1),
        (["--from", "productpage-v1", "http://reviews:9080/"], 0),
        (["--from", "productpage-v1", "http://reviews:9081/"], 1),
        (["--from", "productpage-v1", "http://revews:9080/"], 1),
        (["--from", "istio-ingressgateway", "/"], 0),
    ],
)
def test_status(arguments: list[str], status: int, manifest: str) -> None:
    """0 if the request ends at an endpoint, 1 if nothing takes it."""
    assert run(*arguments, manifest) == status


def test_status_of_what_cannot_be_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """3 where a rule asks for what is known only when the request is sent."""
    match = "- match: [{headers: {x-request-id: {prefix: a}}}]\n  route: [{destination: {host: reviews}}]"
    (tmp_path / "rules.yaml").write_text(GATEWAY + virtual_service(match, "['*']", more=BOUND))
    assert run("/", str(tmp_path)) == 3
    assert "cannot be told: header x-request-id prefix a: it is known only when it is sent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ftp://x/"], "'ftp://x/' is no URL: give http://, https://, tcp:// or tls://"),
        (["reviews:9080"], "is no URL"),
        (["http://"], "names no host"),
        (["http://x:99999/"], "is no number from 1 to 65535"),
        (["http://[::1"], "'http://[::1' is no URL"),
        (["tcp://x"], "needs a port, such as tcp://x:9000"),
        (["tcp://x:1/path"], "there is no path and no header"),
        (["-H", "no header", "/"], "'no header' is no header: write 'name: value'"),
        (["--from", "reviews", "http://x/"], "there is no workload 'reviews'; did you mean 'reviews-v"),
        (["--from", "reviews-v1", "/reviews/0"], "needs a URL with a host, such as http://reviews:9080/reviews/0"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, manifest: str, capsys: pytest.CaptureFixture[str]) -> None:
    """2, and a sentence that says what is wrong."""
    assert run(*arguments, manifest) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.splitlines()) == 1


@given(st.text(max_size=30) | st.text("htps:/[]@.:#?%1x", max_size=20).map("http://{}".format))
def test_any_url(url: str) -> None:
    """Whatever is given as a URL: a call, or a sentence that says what is wrong."""
    try:
        found = call(url)
    except ValueError as error:
        assert repr(url) in str(error)
    else:
        assert str(found)


def test_calls() -> None:
    """A call is said as it was given."""
    assert str(call("http://a.b/x?y#z", "POST", [("X-A", "1")])) == "POST http://a.b/x?y (x-a: 1)"
    assert str(call("HTTP://A.b:8080", "GET", [("host", "c")])) == "GET http://a.b:8080/ (host: c)"
    assert str(call("https://[::1]/")) == "GET https://[::1]/"
    assert str(call("tcp://a:9000")) == "tcp://a:9000"
    assert (call("https://A.b/").server_name, call("https://10.0.0.1/").server_name) == ("a.b", "")
    assert [header(text) for text in ("A: b:c ", "a;", "a:")] == [("A", "b:c"), ("a", ""), ("a", "")]
