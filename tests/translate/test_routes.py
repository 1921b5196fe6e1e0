"""Rules as Envoy routes, field by field; each expectation follows istiod's source or a recording of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translate.snapshots import (
    GATEWAY,
    REVIEWS,
    SUBSETS,
    config,
    destination_rule,
    gateway_routes,
    routes,
    virtual_host,
    virtual_service,
)

TO = "route: [{destination: {host: reviews, subset: v1}}]"
V1, V2 = f"outbound|9080|v1|{REVIEWS}", f"outbound|9080|v2|{REVIEWS}"


def route(rule: str, gateway: bool = False) -> dict[str, Any]:
    """The first route that a rule (the insides of a YAML mapping) makes."""
    http = "- " + rule.replace("\n", "\n  ")
    if gateway:
        text = GATEWAY + virtual_service(http, '["*"]', more="gateways: [edge]") + SUBSETS
        return gateway_routes(text)[0]
    return routes(virtual_service(http) + SUBSETS)[0]


def match(given: str) -> Any:
    """What a `match` entry (flow mapping) becomes."""
    return route(f"match: [{given}]\n{TO}")["match"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("{uri: {exact: /a}}", {"path": "/a"}),
        ("{uri: {prefix: /a}}", {"prefix": "/a"}),
        ("{uri: {prefix: ''}}", {"prefix": ""}),
        ("{uri: {regex: /a.*}}", {"safe_regex": {"regex": "/a.*"}}),
        ("{uri: {}}", {"prefix": "/"}),
        ("{ignoreUriCase: true, uri: {prefix: /a}}", {"prefix": "/a", "case_sensitive": False}),
        ("{method: {exact: GET}}", {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}),
        ("{scheme: {prefix: h}}", {"prefix": "/", "headers": [{"name": ":scheme", "string_match": {"prefix": "h"}}]}),
        (
            "{authority: {regex: a.*}}",
            {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"safe_regex": {"regex": "a.*"}}}]},
        ),
        ("{headers: {x: {}}}", {"prefix": "/", "headers": [{"name": "x", "present_match": True}]}),
        ("{headers: {x: {exact: ''}}}", {"prefix": "/", "headers": [{"name": "x", "string_match": {"exact": ""}}]}),
        (
            "{withoutHeaders: {x: {}}}",
            {"prefix": "/", "headers": [{"name": "x", "present_match": True, "invert_match": True}]},
        ),
        (
            "{withoutHeaders: {x: {regex: '*'}}}",
            {"prefix": "/", "headers": [{"name": "x", "present_match": True, "invert_match": True}]},
        ),
        (
            "{withoutHeaders: {x: {exact: a}}}",
            {
                "prefix": "/",
                "headers": [
                    {
                        "name": "x",
                        "string_match": {"exact": "a"},
                        "invert_match": True,
                        "treat_missing_header_as_empty": True,
                    }
                ],
            },
        ),
        (
            "{queryParams: {q: {exact: a}}}",
            {"prefix": "/", "query_parameters": [{"name": "q", "string_match": {"exact": "a"}}]},
        ),
        ("{queryParams: {q: {}}}", {"prefix": "/", "query_parameters": [{"name": "q", "present_match": True}]}),
    ],
)
def test_matches(given: str, wanted: dict[str, Any]) -> None:
    """Each form of match becomes Envoy's."""
    assert match(given) == {"case_sensitive": True, **wanted}


def test_match_order() -> None:
    """Headers are sorted by name with those that must be missing among them; method, authority and scheme stand behind."""
    made = match(
        "{headers: {b: {}, a: {}}, withoutHeaders: {ab: {}}, scheme: {exact: h}, authority: {exact: x}, method: {exact: GET}}"
    )
    assert [each["name"] for each in made["headers"]] == ["a", "ab", "b", ":method", ":authority", ":scheme"]


def test_each_match_is_a_route_of_its_own() -> None:
    """The entries of `match` are alternatives, in order; what their fields say must all hold."""
    made = routes(
        virtual_service(
            f"- match: [{{uri: {{exact: /a}}, method: {{exact: GET}}}}, {{uri: {{exact: /b}}}}]\n  {TO}\n- {TO}"
        )
        + SUBSETS
    )
    assert [each["match"].get("path") for each in made] == ["/a", "/b", None]
    assert len(made[0]["match"]["headers"]) == 1


@pytest.mark.parametrize(
    ("catching", "kept"),
    [
        (TO, 2),
        ("match: [{uri: {prefix: /}}]\n  " + TO, 2),
        ("match: [{uri: {regex: .*}}, {uri: {exact: /c}}]\n  " + TO, 2),
        ("match: [{}]\n  " + TO, 2),
        ("match: [{uri: {prefix: /}, headers: {x: {}}}]\n  " + TO, 3),
        ("match: [{queryParams: {x: {}}}]\n  " + TO, 3),
        ("match: [{uri: {prefix: //}}]\n  " + TO, 3),
    ],
)
def test_what_comes_after_a_catch_all_is_left_out(catching: str, kept: int) -> None:
    """Behind a rule that catches all there are no routes; a condition beside the path keeps it from catching all."""
    made = routes(
        virtual_service(
            f"- match: [{{uri: {{exact: /a}}}}]\n  {TO}\n- {catching}\n- match: [{{uri: {{exact: /b}}}}]\n  {TO}"
        )
        + SUBSETS
    )
    assert len(made) == kept


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        *(
            ("port: 9080", True),
            ("port: 80", False),
            ("port: 0", True),
            ("gateways: [mesh]", True),
            ("gateways: [edge]", False),
        ),
        *(("sourceLabels: {app: productpage}", True), ("sourceLabels: {app: productpage, version: v2}", False)),
        *(
            ("sourceNamespace: default", True),
            ("sourceNamespace: other", False),
            ("gateways: [mesh], sourceLabels: {a: b}", True),
        ),
    ],
)
def test_conditions_that_never_reach_envoy(condition: str, applies: bool) -> None:
    """Port, gateways, source labels and namespace are evaluated for the proxy; `gateways` makes the source irrelevant."""
    made = routes(virtual_service(f"- match: [{{{condition}, uri: {{exact: /x}}}}]\n  {TO}") + SUBSETS)
    assert ("path" in made[0]["match"]) is applies
    assert applies or made[0]["name"] == "default"


def test_names() -> None:
    """A route is named after the rule and the match."""
    made = routes(
        virtual_service(
            f"- name: a\n  match: [{{name: b, uri: {{exact: /x}}}}, {{uri: {{exact: /y}}}}]\n  {TO}\n- match: [{{name: c}}]\n  {TO}"
        )
        + SUBSETS
    )
    assert [each.get("name") for each in made] == ["a.b", "a", ".c"]


def test_origin() -> None:
    """A route says which resource made it, which rule, and where that stands."""
    (made,) = routes(virtual_service(f"- {TO}") + SUBSETS)
    assert made["metadata"]["filter_metadata"]["meshtest"] == {
        "resource": "VirtualService default/it",
        "rule": 0,
        "where": "test.yaml:8",
    }
    assert made["metadata"]["filter_metadata"]["istio"]["config"].endswith("/namespaces/default/virtual-service/it")


def test_stat_prefix() -> None:
    """`statPrefix` is handed on."""
    assert route(f"match: [{{statPrefix: p}}]\n{TO}")["stat_prefix"] == "p"


def test_one_destination() -> None:
    """The weight of a lone destination is irrelevant, even 0."""
    for weight in ("", ", weight: 0", ", weight: 7"):
        action = route(f"route: [{{destination: {{host: reviews, subset: v1}}{weight}}}]")["route"]
        assert action["cluster"] == V1
        assert "weighted_clusters" not in action


def test_weights() -> None:
    """Weights are handed on as they are, those of 0 or none are left out, and nothing is added up."""
    rule = "route:\n- {destination: {host: reviews, subset: v1}, weight: 5}\n- {destination: {host: reviews, subset: v2}, weight: 2}\n- {destination: {host: reviews, subset: v3}}\n- {destination: {host: ratings}, weight: 0}"
    assert route(rule)["route"]["weighted_clusters"] == {
        "clusters": [{"name": V1, "weight": 5}, {"name": V2, "weight": 2}]
    }


@pytest.mark.parametrize(
    ("destination", "cluster"),
    [
        ("{host: reviews}", f"outbound|9080||{REVIEWS}"),
        ("{host: reviews, port: {number: 80}}", f"outbound|80||{REVIEWS}"),
        ("{host: reviews.default.svc.cluster.local}", f"outbound|9080||{REVIEWS}"),
        ("{host: reviews.default}", "outbound|9080||reviews.default"),
        ("{host: nobody, subset: v1}", "outbound|9080|v1|nobody.default.svc.cluster.local"),
        ("{host: reviews, subset: v9}", f"outbound|9080|v9|{REVIEWS}"),
        (
            "{host: istio-ingressgateway.istio-system.svc.cluster.local}",
            "outbound|9080||istio-ingressgateway.istio-system.svc.cluster.local",
        ),
    ],
)
def test_destinations(destination: str, cluster: str) -> None:
    """Short names are of the rule's namespace, any dot makes a full name; what does not exist has a name all the same."""
    assert route(f"route: [{{destination: {destination}}}]")["route"]["cluster"] == cluster


def test_destination_port_at_the_gateway() -> None:
    """The port of a Service that has one is taken, else the server's own."""
    assert route(TO, gateway=True)["route"]["cluster"] == V1
    several = "route: [{destination: {host: istio-ingressgateway.istio-system.svc.cluster.local}}]"
    assert (
        route(several, gateway=True)["route"]["cluster"]
        == "outbound|80||istio-ingressgateway.istio-system.svc.cluster.local"
    )


def test_timeouts() -> None:
    """Without a timeout there is none."""
    assert route(TO)["route"]["timeout"] == "0s"
    made = route(f"timeout: 1500ms\n{TO}")["route"]
    assert (made["timeout"], made["max_grpc_timeout"]) == ("1.5s", "1.5s")


DEFAULT_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", {"num_retries": 2, "retry_on": DEFAULT_ON}),
        ("retries: {attempts: 3}", {"num_retries": 3, "retry_on": DEFAULT_ON}),
        (
            "retries: {attempts: 1, perTryTimeout: 250ms}",
            {"num_retries": 1, "retry_on": DEFAULT_ON, "per_try_timeout": "0.25s"},
        ),
        ("retries: {attempts: 1, retryOn: '5xx,reset'}", {"num_retries": 1, "retry_on": "5xx,reset"}),
        (
            "retries: {attempts: 1, retryOn: '503'}",
            {"num_retries": 1, "retry_on": ",retriable-status-codes", "retriable_status_codes": [503]},
        ),
        (
            "retries: {attempts: 1, retryOn: '5xx,429,503'}",
            {"num_retries": 1, "retry_on": "5xx,retriable-status-codes", "retriable_status_codes": [429, 503]},
        ),
        (
            "retries: {attempts: 1, retryOn: 'retriable-status-codes,503'}",
            {"num_retries": 1, "retry_on": "retriable-status-codes", "retriable_status_codes": [503]},
        ),
        (
            "retries: {attempts: 1, backoff: 10ms}",
            {"num_retries": 1, "retry_on": DEFAULT_ON, "retry_back_off": {"base_interval": "0.01s"}},
        ),
    ],
)
def test_retries(given: str, wanted: dict[str, Any]) -> None:
    """Retries replace Istio's default field by field; status codes are told apart."""
    made = route(f"{given}\n{TO}".strip())["route"]["retry_policy"]
    assert made.pop("host_selection_retry_max_attempts") == "5"
    assert [each["name"] for each in made.pop("retry_host_predicate")] == ["envoy.retry_host_predicates.previous_hosts"]
    assert made == wanted


def test_retries_off_and_hosts() -> None:
    """No attempts are no policy; hosts tried before are avoided unless told otherwise; other localities on demand."""
    assert "retry_policy" not in route(f"retries: {{attempts: 0}}\n{TO}")["route"]
    made = route(f"retries: {{attempts: 1, retryIgnorePreviousHosts: false, retryRemoteLocalities: true}}\n{TO}")[
        "route"
    ]["retry_policy"]
    assert "retry_host_predicate" not in made
    assert made["retry_priority"]["name"] == "envoy.retry_priorities.previous_priorities"


@pytest.mark.parametrize(
    ("spec", "predicate"),
    [
        ("consistentHash: {httpHeaderName: x}", False),
        ("consistentHash: {ringHash: {minimumRingSize: 9}}", False),
        ("simple: RANDOM", True),
    ],
)
def test_retries_with_a_consistent_hash(spec: str, predicate: bool) -> None:
    """A lone destination that is chosen by consistent hash is retried at the same host, unless the rule asks for others."""
    rule = destination_rule(f"host: reviews\ntrafficPolicy: {{loadBalancer: {{{spec}}}}}")
    action = routes(virtual_service("- route: [{destination: {host: reviews}}]") + rule)[0]["route"]
    assert ("retry_host_predicate" in action["retry_policy"]) is predicate
    asked = "- route: [{destination: {host: reviews}}]\n  retries: {attempts: 2, retryIgnorePreviousHosts: true}"
    assert "retry_host_predicate" in routes(virtual_service(asked) + rule)[0]["route"]["retry_policy"]


def fault(given: str) -> Any:
    """The fault filter's configuration of a route, without its type."""
    made = route(f"fault: {given}\n{TO}")["typed_per_filter_config"]["envoy.filters.http.fault"]
    assert made.pop("@type").endswith(".HTTPFault")
    return made


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            "{abort: {httpStatus: 555, percentage: {value: 100}}}",
            {"abort": {"percentage": {"numerator": 1000000, "denominator": "MILLION"}, "http_status": 555}},
        ),
        (
            "{abort: {httpStatus: 500, percentage: {value: 0.57}}}",
            {"abort": {"percentage": {"numerator": 5699, "denominator": "MILLION"}, "http_status": 500}},
        ),
        (
            "{abort: {httpStatus: 500, percentage: {value: 0.0001}}}",
            {"abort": {"percentage": {"numerator": 1, "denominator": "MILLION"}, "http_status": 500}},
        ),
        (
            "{abort: {httpStatus: 500, percentage: {}}}",
            {"abort": {"percentage": {"numerator": 0, "denominator": "MILLION"}, "http_status": 500}},
        ),
        ("{abort: {httpStatus: 500}}", {"abort": {"http_status": 500}}),
        (
            "{abort: {grpcStatus: UNAVAILABLE, percentage: {value: 1}}}",
            {"abort": {"percentage": {"numerator": 10000, "denominator": "MILLION"}, "grpc_status": 14}},
        ),
        ("{abort: {percentage: {value: 1}}}", {}),
        (
            "{delay: {fixedDelay: 7s, percentage: {value: 50}}}",
            {"delay": {"percentage": {"numerator": 500000, "denominator": "MILLION"}, "fixed_delay": "7s"}},
        ),
        ("{delay: {fixedDelay: 7s, percent: 50}}", {"delay": {"percentage": {"numerator": 50}, "fixed_delay": "7s"}}),
        ("{delay: {fixedDelay: 7s}}", {"delay": {"percentage": {"numerator": 0}, "fixed_delay": "7s"}}),
        ("{delay: {percentage: {value: 50}}}", {}),
    ],
)
def test_faults(given: str, wanted: dict[str, Any]) -> None:
    """Percentages are cut off to millionths as a computer's floats have it; what says no status or time does nothing."""
    assert fault(given) == wanted


@pytest.mark.parametrize(
    ("name", "number"), [("OK", 0), ("NOT_FOUND", 5), ("PERMISSION_DENIED", 7), ("UNAUTHENTICATED", 16)]
)
def test_grpc_statuses(name: str, number: int) -> None:
    """The numbers of gRPC's status codes are those of its specification."""
    assert fault(f"{{abort: {{grpcStatus: {name}}}}}")["abort"]["grpc_status"] == number


def test_cors() -> None:
    """A CORS policy is handed on, lists joined without blanks, the age in whole seconds."""
    given = "corsPolicy: {allowOrigins: [{exact: https://a}, {prefix: b}, {regex: c.*}], allowMethods: [GET, POST], allowHeaders: [x, z], exposeHeaders: [w], maxAge: 1h30m, allowCredentials: false}"
    made = route(f"{given}\n{TO}")["typed_per_filter_config"]["envoy.filters.http.cors"]
    assert made.pop("@type").endswith(".CorsPolicy")
    assert made == {
        "filter_enabled": {"default_value": {"numerator": 100}},
        "forward_not_matching_preflights": True,
        "allow_origin_string_match": [{"exact": "https://a"}, {"prefix": "b"}, {"safe_regex": {"regex": "c.*"}}],
        "allow_methods": "GET,POST",
        "allow_headers": "x,z",
        "expose_headers": "w",
        "max_age": "5400",
        "allow_credentials": False,
    }


def test_cors_of_old_and_preflights() -> None:
    """The old list of origins counts where the new one is empty; preflights that match none may be ignored."""
    made = route(f"corsPolicy: {{allowOrigin: ['*'], allowOrigins: [], unmatchedPreflights: IGNORE}}\n{TO}")[
        "typed_per_filter_config"
    ]["envoy.filters.http.cors"]
    assert made["allow_origin_string_match"] == [{"exact": "*"}]
    assert made["forward_not_matching_preflights"] is False


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ("mirror: {host: ratings}", [{"numerator": 100}]),
        ("mirror: {host: ratings}\nmirrorPercentage: {value: 12.5}", [{"numerator": 125000, "denominator": "MILLION"}]),
        ("mirror: {host: ratings}\nmirrorPercentage: {value: 0}", []),
        ("mirror: {host: ratings}\nmirrorPercentage: {}", []),
        ("mirror: {host: ratings}\nmirrorPercent: 30", [{"numerator": 30}]),
        ("mirror: {host: ratings}\nmirror_percent: 30", [{"numerator": 30}]),
        ("mirror: {host: ratings}\nmirrorPercent: 0", []),
        (
            "mirror: {host: ratings}\nmirrorPercent: 0\nmirrorPercentage: {value: 1}",
            [{"numerator": 10000, "denominator": "MILLION"}],
        ),
        (
            "mirrors: [{destination: {host: ratings}}, {destination: {host: details}, percentage: {value: 0}}, {destination: {host: ratings}, percentage: {value: 50}}]",
            [{"numerator": 100}, {"numerator": 500000, "denominator": "MILLION"}],
        ),
    ],
)
def test_mirrors(given: str, shares: list[Any]) -> None:
    """All is mirrored unless a share is given; a share of nothing is no mirror; the Host stays as it is."""
    made = route(f"{given}\n{TO}")["route"].get("request_mirror_policies", [])
    assert [each["runtime_fraction"]["default_value"] for each in made] == shares
    assert all(each["cluster"] == "outbound|9080||ratings.default.svc.cluster.local" for each in made)
    assert all(each["disable_shadow_host_suffix_append"] for each in made)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("{uri: /new}", {"path_redirect": "/new"}),
        ("{authority: a.b}", {"path_redirect": "", "host_redirect": "a.b"}),
        ("{prefixRewrite: /new}", {"prefix_rewrite": "/new"}),
        ("{uri: /new, redirectCode: 302}", {"path_redirect": "/new", "response_code": "FOUND"}),
        ("{uri: /new, redirectCode: 303}", {"path_redirect": "/new", "response_code": "SEE_OTHER"}),
        ("{uri: /new, redirectCode: 307}", {"path_redirect": "/new", "response_code": "TEMPORARY_REDIRECT"}),
        ("{uri: /new, redirectCode: 308}", {"path_redirect": "/new", "response_code": "PERMANENT_REDIRECT"}),
        ("{uri: /new, redirectCode: 301}", {"path_redirect": "/new"}),
        ("{uri: /new, redirectCode: 0}", {"path_redirect": "/new"}),
        ("{scheme: https}", {"path_redirect": "", "scheme_redirect": "https"}),
        ("{scheme: https, port: 443}", {"path_redirect": "", "scheme_redirect": "https"}),
        ("{scheme: https, port: 8443}", {"path_redirect": "", "scheme_redirect": "https", "port_redirect": 8443}),
        ("{port: 80}", {"path_redirect": ""}),
        ("{port: 443}", {"path_redirect": "", "port_redirect": 443}),
        ("{derivePort: FROM_PROTOCOL_DEFAULT}", {"path_redirect": ""}),
        ("{derivePort: FROM_REQUEST_PORT}", {"path_redirect": "", "port_redirect": 9080}),
    ],
)
def test_redirects(given: str, wanted: dict[str, Any]) -> None:
    """A redirect keeps what it does not name; the usual ports are not written out."""
    made = route(f"redirect: {given}")
    assert made["redirect"] == wanted
    assert "route" not in made


def test_direct_responses() -> None:
    """A direct response has its status and perhaps a body; header operations stay beside it."""
    assert route("directResponse: {status: 404}")["direct_response"] == {"status": 404}
    assert route("directResponse: {status: 200, body: {string: ''}}")["direct_response"] == {
        "status": 200,
        "body": {"inline_string": ""},
    }
    made = route("directResponse: {status: 200, body: {bytes: aGk=}}\nheaders: {response: {set: {x: '1'}}}")
    assert made["direct_response"]["body"] == {"inline_bytes": "aGk="}
    assert made["response_headers_to_add"][0]["header"] == {"key": "x", "value": "1"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("rewrite: {uri: /b}", {"prefix_rewrite": "/b"}),
        ("rewrite: {authority: a.b}", {"host_rewrite_literal": "a.b"}),
        (
            "rewrite: {uriRegexRewrite: {match: /a/(.*), rewrite: '/\\1'}}",
            {"regex_rewrite": {"pattern": {"regex": "/a/(.*)"}, "substitution": "/\\1"}},
        ),
        ("headers: {request: {set: {Host: a.b}}}", {"host_rewrite_literal": "a.b"}),
        ("headers: {request: {add: {':authority': a.b}}}", {"host_rewrite_literal": "a.b"}),
    ],
)
def test_rewrites(given: str, wanted: dict[str, Any]) -> None:
    """Path and host are rewritten; setting the header `host` is rewriting the host."""
    action = route(f"{given}\n{TO}")["route"]
    keys = ("prefix_rewrite", "regex_rewrite", "host_rewrite_literal")
    assert {key: action[key] for key in keys if key in action} == wanted


def test_header_operations() -> None:
    """What is set overwrites, what is added is appended, each sorted by name; sets come first."""
    given = "headers: {request: {set: {z: '1', a: '2'}, add: {b: '3'}, remove: [c]}, response: {add: {d: '4'}, remove: [e, f]}}"
    made = route(f"{given}\n{TO}")
    overwritten = "OVERWRITE_IF_EXISTS_OR_ADD"
    assert made["request_headers_to_add"] == [
        {"header": {"key": "a", "value": "2"}, "append_action": overwritten},
        {"header": {"key": "z", "value": "1"}, "append_action": overwritten},
        {"header": {"key": "b", "value": "3"}},
    ]
    assert made["request_headers_to_remove"] == ["c"]
    assert made["response_headers_to_add"] == [{"header": {"key": "d", "value": "4"}}]
    assert made["response_headers_to_remove"] == ["e", "f"]


def test_headers_of_destinations() -> None:
    """Those of a lone destination follow the route's; those of several stand with their weights; the route's host counts first."""
    one = "headers: {request: {set: {a: '1', host: route.b}}}\nroute: [{destination: {host: reviews}, headers: {request: {set: {b: '2', host: own.b}}}}]"
    made = route(one)
    assert [each["header"]["key"] for each in made["request_headers_to_add"]] == ["a", "b"]
    assert made["route"]["host_rewrite_literal"] == "route.b"
    assert (
        route("route: [{destination: {host: reviews}, headers: {request: {set: {host: own.b}}}}]")["route"][
            "host_rewrite_literal"
        ]
        == "own.b"
    )
    two = "route:\n- {destination: {host: reviews}, weight: 1, headers: {response: {remove: [a]}, request: {set: {host: own.b}}}}\n- {destination: {host: ratings}, weight: 1}"
    first, second = route(two)["route"]["weighted_clusters"]["clusters"]
    assert (first["response_headers_to_remove"], first["host_rewrite_literal"]) == (["a"], "own.b")
    assert set(second) == {"name", "weight"}


@pytest.mark.parametrize(
    ("key", "policy"),
    [
        ("httpHeaderName: x", {"header": {"header_name": "x"}}),
        ("httpCookie: {name: c, ttl: 0s, path: /}", {"cookie": {"name": "c", "ttl": "0s", "path": "/"}}),
        ("httpCookie: {name: c}", {"cookie": {"name": "c"}}),
        (
            "httpCookie: {name: c, attributes: [{name: a, value: b}, {name: d}]}",
            {"cookie": {"name": "c", "attributes": [{"name": "a", "value": "b"}, {"name": "d", "value": ""}]}},
        ),
        ("useSourceIp: true", {"connection_properties": {"source_ip": True}}),
        ("useSourceIp: false", {"connection_properties": {"source_ip": False}}),
        ("httpQueryParameterName: q", {"query_parameter": {"name": "q"}}),
    ],
)
def test_hash_policies(key: str, policy: dict[str, Any]) -> None:
    """What a consistent hash is made of stands in the route, also in the default one."""
    rule = destination_rule(f"host: reviews\ntrafficPolicy: {{loadBalancer: {{consistentHash: {{{key}}}}}}}")
    assert routes(rule)[0]["route"]["hash_policy"] == [policy]
    assert routes(virtual_service("- route: [{destination: {host: reviews}}]") + rule)[0]["route"]["hash_policy"] == [
        policy
    ]


def test_hash_precedence() -> None:
    """The subset's port comes before the subset, this before the port, this before the rule; a port counts only if it is named."""
    spec = """host: reviews
trafficPolicy:
  loadBalancer: {consistentHash: {httpHeaderName: rule}}
  portLevelSettings: [{port: {number: 9080}, loadBalancer: {consistentHash: {httpHeaderName: port}}}]
subsets:
- {name: v1}
- name: v2
  trafficPolicy:
    loadBalancer: {consistentHash: {httpHeaderName: subset}}
    portLevelSettings: [{port: {number: 9080}, loadBalancer: {consistentHash: {httpHeaderName: both}}}]
"""
    http = "".join(
        f"- match: [{{uri: {{exact: /{number}}}}}]\n  route: [{{destination: {{host: reviews{more}}}}}]\n"
        for number, more in enumerate(
            ["", ", subset: v1", ", subset: v2", ", port: {number: 9080}", ", subset: v2, port: {number: 9080}"]
        )
    )
    made = routes(virtual_service(http) + destination_rule(spec))
    names = [each["route"]["hash_policy"][0]["header"]["header_name"] for each in made]
    assert names == ["rule", "rule", "subset", "port", "both"]


def test_no_hash_for_what_is_no_service() -> None:
    """A rule for a host that does not exist decides no hash policy."""
    rule = destination_rule("host: nobody\ntrafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}")
    assert "hash_policy" not in routes(virtual_service("- route: [{destination: {host: nobody}}]") + rule)[0]["route"]


def test_hash_of_weighted_destinations() -> None:
    """Of several destinations those with a weight bring their hash policies."""
    rules = "".join(
        destination_rule(
            f"host: {host}\ntrafficPolicy: {{loadBalancer: {{consistentHash: {{httpHeaderName: {host}}}}}}}", name=host
        )
        for host in ("reviews", "ratings", "details")
    )
    http = "- route: [{destination: {host: reviews}, weight: 1}, {destination: {host: ratings}}, {destination: {host: details}, weight: 1}]"
    made = routes(virtual_service(http) + rules)[0]["route"]["hash_policy"]
    assert [each["header"]["header_name"] for each in made] == ["reviews", "details"]


MESH = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    defaultHttpRetryPolicy: {attempts: 4, retryOn: 5xx}
    outboundTrafficPolicy: {mode: REGISTRY_ONLY}
    connectTimeout: 3s
"""


def test_mesh_configuration() -> None:
    """The mesh's own defaults count where a rule says nothing; unknown hosts may be blocked."""
    made = config("", manifests=MESH)
    action = virtual_host(made, "9080", f"{REVIEWS}:9080")["routes"][0]["route"]
    assert (action["retry_policy"]["num_retries"], action["retry_policy"]["retry_on"]) == (4, "5xx")
    assert virtual_host(made, "9080", "block_all")["routes"][0]["direct_response"] == {"status": 502}
    assert made.clusters[f"outbound|9080||{REVIEWS}"]["connect_timeout"] == "3s"
    assert virtual_host(config(""), "9080", "allow_any")["routes"][0]["route"]["cluster"] == "PassthroughCluster"
