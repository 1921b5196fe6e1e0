"""What holds for any VirtualService that is valid."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.resources.manifest import check, read_objects, read_text
from meshtest.translate.proxy_config import translate
from meshtest.translate.route_match import catches_all
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.translate.snapshots import GATEWAY, GATEWAY_NAME, REVIEWS, SUBSETS, topology

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)

WORDS = st.text("abz09-_.~/", max_size=6)
PATHS = WORDS.map("/{}".format)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)
DURATIONS = st.integers(1, 10**7).map("{}ms".format)
TEXT_MATCHES = st.one_of(
    st.fixed_dictionaries({"exact": WORDS}),
    st.fixed_dictionaries({"prefix": WORDS.filter(bool)}),
    st.fixed_dictionaries({"regex": st.sampled_from([".*", "a|b", "[a-z]+", "^/x$"])}),
)
URIS = st.one_of(
    st.fixed_dictionaries({"exact": PATHS}),
    st.fixed_dictionaries({"prefix": PATHS}),
    st.fixed_dictionaries({"regex": st.just(".*")}),
    st.just({}),
)
PRESENCE: st.SearchStrategy[dict[str, Any]] = st.just({})
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES,
        "uri": URIS,
        "method": TEXT_MATCHES,
        "authority": TEXT_MATCHES,
        "headers": st.dictionaries(NAMES, TEXT_MATCHES | PRESENCE, max_size=2),
        "withoutHeaders": st.dictionaries(NAMES, TEXT_MATCHES | PRESENCE, max_size=2),
        "queryParams": st.dictionaries(NAMES, TEXT_MATCHES | PRESENCE, max_size=1),
        "ignoreUriCase": st.booleans(),
        "port": st.sampled_from([0, 80, 9080]),
        "gateways": st.lists(st.sampled_from(["mesh", "edge"]), max_size=2),
        "sourceLabels": st.dictionaries(st.just("app"), st.sampled_from(["productpage", "reviews"]), max_size=1),
    },
)
DESTINATIONS = st.fixed_dictionaries(
    {"host": st.sampled_from(["reviews", "ratings", "nobody", REVIEWS])},
    optional={
        "subset": st.sampled_from(["v1", "v2", "v9"]),
        "port": st.fixed_dictionaries({"number": st.sampled_from([80, 9080])}),
    },
)
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "set": st.dictionaries(NAMES, WORDS, max_size=2),
        "add": st.dictionaries(NAMES, WORDS, max_size=2),
        "remove": st.lists(NAMES, max_size=2),
    },
)
HEADERS = st.fixed_dictionaries({}, optional={"request": OPERATIONS, "response": OPERATIONS})
TARGETS = st.fixed_dictionaries(
    {"destination": DESTINATIONS}, optional={"weight": st.integers(0, 1000), "headers": HEADERS}
)
PERCENT = st.fixed_dictionaries({"value": st.just(0) | st.floats(0.0001, 100)})
ROUTES = st.lists(TARGETS, min_size=1, max_size=4).filter(
    lambda route: len(route) == 1 or any(each.get("weight") for each in route)
)
FORWARDING = st.fixed_dictionaries(
    {"route": ROUTES},
    optional={
        "match": st.lists(MATCHES, max_size=3),
        "timeout": DURATIONS,
        "retries": st.fixed_dictionaries(
            {"attempts": st.integers(1, 5)},
            optional={"perTryTimeout": DURATIONS, "retryOn": st.sampled_from(["5xx", "503,reset", ""])},
        ),
        "fault": st.fixed_dictionaries(
            {"abort": st.fixed_dictionaries({"httpStatus": st.integers(200, 599), "percentage": PERCENT})}
        ),
        "mirror": DESTINATIONS,
        "mirrorPercentage": PERCENT,
        "headers": HEADERS,
        "rewrite": st.fixed_dictionaries({"uri": PATHS}),
        "corsPolicy": st.fixed_dictionaries(
            {"allowOrigins": st.lists(st.fixed_dictionaries({"exact": WORDS.filter(bool)}))}
        ),
    },
)
ANSWERING = st.one_of(
    st.fixed_dictionaries(
        {"directResponse": st.fixed_dictionaries({"status": st.integers(200, 599)})},
        optional={"match": st.lists(MATCHES, max_size=2)},
    ),
    st.fixed_dictionaries(
        {"redirect": st.fixed_dictionaries({"uri": PATHS})}, optional={"match": st.lists(MATCHES, max_size=2)}
    ),
)
RULES = st.lists(FORWARDING | ANSWERING, min_size=1, max_size=5)


def routes(http: list[dict[str, Any]], proxy: str) -> list[dict[str, Any]]:
    """The routes that a VirtualService for reviews makes in a proxy; none if it makes none."""
    spec = {"hosts": [REVIEWS], "gateways": ["edge", "mesh"], "http": http}
    rule = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "it"}, "spec": spec}
    resources = check([*read_objects([rule]), *read_text(GATEWAY + SUBSETS, "f.yaml")])
    made = translate(Snapshot(topology(), resources), Proxy(topology().names[proxy][0]))
    json.dumps(made.as_json(made), allow_nan=False)
    name = "http.8080" if proxy == GATEWAY_NAME else "9080"
    hosts = [each for each in made.routes[name]["virtual_hosts"] if REVIEWS in each["domains"]]
    return [each for host in hosts for each in host["routes"] if each.get("name") != "default"]


@PATIENT
@given(RULES, st.sampled_from(["productpage-v1", GATEWAY_NAME]))
def test_a_valid_rule_is_always_translated(http: list[dict[str, Any]], proxy: str) -> None:
    """Each route has an action, comes from one of the rules in their order, and nothing stands behind one that catches all."""
    made = routes(http, proxy)
    numbers = [each["metadata"]["filter_metadata"]["meshtest"]["rule"] for each in made]
    assert numbers == sorted(numbers)
    assert all(number < len(http) for number in numbers)
    for each in made:
        assert len(each.keys() & {"route", "redirect", "direct_response"}) == 1
    assert not any(catches_all(each["match"]) for each in made[:-1])


@PATIENT
@given(RULES)
def test_each_rule_without_conditions_of_place_has_its_routes(http: list[dict[str, Any]]) -> None:
    """Up to the first that catches all, a rule has as many routes as it has matches that apply to the proxy."""
    made = routes(http, "productpage-v1")
    if made and catches_all(made[-1]["match"]):
        http = http[: made[-1]["metadata"]["filter_metadata"]["meshtest"]["rule"]]
        made = [each for each in made if each["metadata"]["filter_metadata"]["meshtest"]["rule"] < len(http)]
    expected = sum(sum(map(applies, rule["match"])) if rule.get("match") else 1 for rule in http)
    assert len(made) == expected


def applies(match: dict[str, Any]) -> bool:
    """Whether a match is for productpage's sidecar and port 9080."""
    if match.get("port", 0) not in (0, 9080):
        return False
    if match.get("gateways"):
        return "mesh" in match["gateways"]
    return match.get("sourceLabels", {}).get("app", "productpage") == "productpage"


@PATIENT
@given(ROUTES)
def test_weights_are_preserved(route: list[dict[str, Any]]) -> None:
    """Destinations with a weight stand there in order with just that weight, the others do not; a lone one gets all."""
    (made,) = routes([{"route": route}], "productpage-v1")
    if len(route) == 1:
        assert "weighted_clusters" not in made["route"]
        return
    clusters = made["route"]["weighted_clusters"]["clusters"]
    assert [each["weight"] for each in clusters] == [each["weight"] for each in route if each.get("weight")]
    for cluster, target in zip(clusters, [each for each in route if each.get("weight")], strict=True):
        host, subset = target["destination"]["host"], target["destination"].get("subset", "")
        _, port, name, full = cluster["name"].split("|")
        assert (name, full.partition(".")[0]) == (subset, host.partition(".")[0])
        assert int(port) == target["destination"].get("port", {}).get("number", 9080)


@PATIENT
@given(RULES)
def test_translating_changes_nothing(http: list[dict[str, Any]]) -> None:
    """Translating leaves the resources as they are, and comes out the same again."""
    before = json.dumps(http)
    assert routes(http, GATEWAY_NAME) == routes(http, GATEWAY_NAME)
    assert json.dumps(http) == before
