"""Access log lines, without processes: what is read from them, and written as Istio writes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.meshes.access_log import JSON_FORMAT, POINTS, Entry, of_json, of_text
from meshtest.meshes.passage import Origin, Owner, Passages

# From Istio's documentation (Envoy Access Logs).
DOCUMENTED = (
    '[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 3 1 "-" "curl/7.73.0-DEV" '
    '"84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 10.44.1.27:80 10.44.1.23:37652 '
    "outbound_.8000_._.httpbin.default.svc.cluster.local default"
)

# Visible characters go into a path; a quote or a backslash too.
PATHS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1).map("/{}".format)
# What stands in quotes, and may be anything that a header may hold but quotes.
QUOTED = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters='"\x7f\x85')).filter(
    "-".__ne__
)
WORDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"|')).filter("-".__ne__)
AGENTS = QUOTED | st.sampled_from(['say "hello"', '"', "a' \\", "meshtest/0af3.17"])
MILLISECONDS = st.integers(0, 10**7).map(lambda value: value / 1000)
FLAGS = st.lists(st.sampled_from(["UO", "URX", "UF", "DI", "FI", "NR", "UAEX"]), unique=True).map(tuple)


def entries() -> st.SearchStrategy[Entry]:
    """Entries as Istio's format can say them."""
    texts = ("termination_details", "details", "upstream_service_time", "server_name", "route_name")
    addresses = ("upstream_local_address", "downstream_local_address", "downstream_remote_address")
    quoted = ("upstream_failure", "forwarded_for", "request_id", "authority", "upstream_host")
    return st.builds(
        Entry,
        proxy=st.just("web.default"),
        kind=st.just("outbound"),
        method=st.sampled_from(["GET", "POST", "M-SEARCH"]),
        path=PATHS,
        protocol=st.sampled_from(["HTTP/1.1", "HTTP/2", ""]),
        start_time=st.integers(0, 4 * 10**12).map(lambda value: value / 1000),
        status=st.integers(0, 599),
        flags=FLAGS,
        bytes_received=st.integers(0),
        bytes_sent=st.integers(0),
        duration=st.none() | MILLISECONDS,
        user_agent=AGENTS,
        upstream_cluster=st.sampled_from(["", "outbound|80||web", "BlackHoleCluster", "PassthroughCluster a:80"]),
        **dict.fromkeys((*texts, *addresses), WORDS),
        **dict.fromkeys(quoted, QUOTED),
    )


def test_a_documented_line() -> None:
    """The line of Istio's documentation says what it says there."""
    entry = of_text(DOCUMENTED, "httpbin-1.default")
    assert (entry.proxy, entry.kind, entry.method, entry.path) == ("httpbin-1.default", "inbound", "GET", "/status/418")
    assert (entry.status, entry.flags, entry.details, entry.summary) == (418, (), "via_upstream", "418 - via_upstream")
    assert (entry.bytes_received, entry.bytes_sent, entry.duration) == (0, 135, 0.003)
    assert (entry.authority, entry.upstream_host, entry.upstream_cluster) == (
        "httpbin:8000",
        "127.0.0.1:80",
        "inbound|8000||",
    )
    assert (entry.downstream_remote_address, entry.route_name) == ("10.44.1.23:37652", "default")
    assert entry.start_time == datetime(2020, 11, 25, 21, 26, 18, 409000, UTC).timestamp()
    assert (entry.token, entry.attempts, entry.held) == ("", None, None)
    assert str(entry) == DOCUMENTED


@settings(deadline=None)
@given(entries())
def test_text_can_be_read_back(entry: Entry) -> None:
    """A line in Istio's format has all that it can say of an entry, whatever paths and headers hold."""
    read = of_text(str(entry), "web.default")
    assert str(read) == str(entry)
    kept = (
        "method",
        "path",
        "status",
        "flags",
        "details",
        "user_agent",
        "authority",
        "upstream_host",
        "upstream_cluster",
    )
    for name in (*kept, "start_time", "duration", "route_name", "forwarded_for", "request_id", "upstream_failure"):
        assert getattr(read, name) == getattr(entry, name), name
    assert (read.token, read.number) == (("0af3", 17) if entry.user_agent == "meshtest/0af3.17" else ("", 0))


def logged(**said: Any) -> str:
    """A line of JSON as a proxy writes it: what is not given is not known to it."""
    assert said.keys() <= {"kind", *JSON_FORMAT}
    return json.dumps({"kind": "gateway", **dict.fromkeys(JSON_FORMAT), "start_time": "1795841126.976800000", **said})


@settings(deadline=None)
@given(PATHS, st.text(), FLAGS, st.lists(st.integers(0, 10**9), min_size=len(POINTS), max_size=len(POINTS)))
def test_json_is_read_as_it_is(path: str, agent: str, flags: tuple[str, ...], points: list[int]) -> None:
    """JSON has no doubtful quotes; points in time are seconds."""
    given = dict(zip(POINTS, points, strict=True))
    line = logged(
        path=path, user_agent=agent, flags=",".join(flags) or "-", status=503, duration=1, attempts=2, **given
    )
    entry = of_json(line.encode(), "gateway.istio-system")
    assert (entry.path, entry.user_agent, entry.flags, entry.attempts) == (path, agent, flags, 2)
    assert [getattr(entry, name) for name in POINTS] == [value / 1e6 for value in points]
    assert entry.duration == entry.response_end
    assert entry.held == entry.upstream_start


def test_what_a_proxy_does_not_know() -> None:
    """A request that matched nothing has no upstream; a TCP connection neither status nor path."""
    entry = of_json(logged(status=404, flags="NR", details="route_not_found", attempts=0, response_start=48), "gateway")
    assert (entry.summary, entry.upstream_host, entry.upstream_start, entry.held) == (
        "404 NR route_not_found",
        "",
        None,
        48e-6,
    )
    assert not entry.plain
    tcp = of_json(
        logged(status=0, flags="-", duration=12, peer_address="127.0.0.1:9"), "gateway", {"127.0.0.1:9": "me"}
    )
    assert (tcp.summary, tcp.path, tcp.duration, tcp.peer_address) == ("0 - -", "", 0.012, "127.0.0.1:9")
    assert str(tcp).startswith(
        '[2026-11-28T04:45:26.976Z] "- - -" 0 - - - "-" 0 0 12 - "-" "-" "-" "-" "-" - - - - - -'
    )


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "null", '{"kind": 1}', DOCUMENTED, logged(flags=3), logged(start_time="x")]
)
def test_other_json_is_refused(line: str) -> None:
    """What is not meshtest's is no entry."""
    with pytest.raises(ValueError, match="not a line of meshtest's access log"):
        of_json(line, "gateway")


@pytest.mark.parametrize(
    "line",
    ["", "{}", "2024 info Envoy proxy is ready", DOCUMENTED[:-9], f"x{DOCUMENTED}", DOCUMENTED.replace("418", "x")],
)
def test_other_text_is_refused(line: str) -> None:
    """An agent's own words, and cut lines, are no entries."""
    with pytest.raises(ValueError, match="not a line of Istio's default access log"):
        of_text(line, "gateway")


@settings(deadline=None)
@given(st.text())
def test_any_text_is_an_entry_or_refused(text: str) -> None:
    """Nothing else comes of a line, whatever it holds."""
    for read in (of_text, of_json):
        with pytest.raises(ValueError, match="not a line"):
            read(text, "gateway")


OWNERS = {"10.0.0.1:80": Owner("web", "web.default"), "10.0.0.1:8080": Owner("web"), "10.0.0.9:80": Owner("outside")}
AT_GATEWAY = Entry(
    proxy="gateway", kind="gateway", token="a", number=3, details="via_upstream", upstream_host="10.0.0.1:80",
    upstream_local_address="10.0.0.5:1111", peer_address="127.0.0.1:5", start_time=1.0,
)  # fmt: skip
AT_WEB = Entry(
    proxy="web.default", kind="inbound", token="a", number=3, details="via_upstream", upstream_host="10.0.0.1:8080",
    peer_address="10.0.0.5:1111", start_time=2.0,
)  # fmt: skip


def test_a_passage_is_awaited() -> None:
    """The first proxy must speak; then each that another one has an answer of; its workload has no log. Order is that of time."""
    passages = Passages(Origin(("gateway",), "127.0.0.1"), OWNERS, [3])
    assert passages.awaited == {"gateway": 1}
    passages.add(AT_GATEWAY)
    assert passages.awaited == {"web.default": 1}
    passages.add(Entry(proxy="web.default", kind="inbound", number=3, peer_address="10.0.0.7:1", start_time=0.5))
    assert passages.awaited == {"web.default": 1}, "that was a call of somebody else's"
    passages.add(AT_WEB)
    passages.add(Entry(proxy="gateway", kind="gateway", number=4))
    assert not passages.awaited
    assert [entry.start_time for entry in passages.in_order()[3]] == [0.5, 1.0, 2.0]


def test_who_answers_by_himself_leads_nowhere() -> None:
    """A proxy that has no answer of another one is the end; so is a host outside."""
    for details, host in (
        ("fault_filter_abort", "10.0.0.1:80"),
        ("via_upstream", "10.0.0.9:80"),
        ("via_upstream", "8.8.8.8:1"),
    ):
        passages = Passages(Origin(("gateway",), "127.0.0.1"), OWNERS, [0])
        passages.add(
            Entry(proxy="gateway", kind="gateway", details=details, upstream_host=host, peer_address="127.0.0.1:5")
        )
        assert not passages.awaited
