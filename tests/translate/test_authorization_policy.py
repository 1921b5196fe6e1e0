"""AuthorizationPolicies as RBAC filters, after istiod's `pilot/pkg/security/authz` and what Istio says that policies mean."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.translate.trust_domain import identities
from tests.translate.rbac import Call, allowed
from tests.translate.security import SERVICES, chains, http_policies, manager, policy, security, tcp_policies
from tests.translate.snapshots import GATEWAY, GATEWAY_NAME, Json, config

NEVER = {"permissions": [{"not_rule": {"any": True}}], "principals": [{"not_id": {"any": True}}]}
ALWAYS = {
    "permissions": [{"and_rules": {"rules": [{"any": True}]}}],
    "principals": [{"and_ids": {"ids": [{"any": True}]}}],
}


def names(filters: list[Json]) -> list[list[str]]:
    """The rules of each filter, by name."""
    return [sorted(each["rules"].get("policies", {})) for each in filters]


def rule(filters: list[Json], index: int = 0) -> Json:
    """The rule with this number of the policy `it`."""
    (found,) = filters
    made: Json = found["rules"]["policies"][f"ns[default]-policy[it]-rule[{index}]"]
    return made


def permissions(text: str, tcp: bool = False) -> list[Json]:
    """What must hold of a request, for the first `to` of the first rule."""
    made = rule((tcp_policies if tcp else http_policies)(policy(f"rules: [{text}]")))
    return list(made["permissions"][0]["and_rules"]["rules"])


def principals(text: str, tcp: bool = False) -> list[Json]:
    """What must hold of a caller, for the first `from` of the first rule."""
    made = rule((tcp_policies if tcp else http_policies)(policy(f"rules: [{text}]")))
    return list(made["principals"][0]["and_ids"]["ids"])


def operation(text: str) -> str:
    """A rule for these requests."""
    return f"{{to: [{{operation: {{{text}}}}}]}}"


def source(text: str) -> str:
    """A rule for these callers."""
    return f"{{from: [{{source: {{{text}}}}}]}}"


def when(key: str, values: str, negated: bool = False) -> str:
    """A rule under this condition."""
    return f"{{when: [{{key: '{key}', {'notValues' if negated else 'values'}: {values}}}]}}"


def test_without_policies_there_are_no_filters() -> None:
    """A workload that no policy is for lets everybody in."""
    assert http_policies("") == []
    assert tcp_policies("") == []


def test_selection() -> None:
    """Policies count in their namespace, those of the root namespace everywhere, in this order; with a selector where it fits."""
    text = (
        policy("rules: [{}]", "own", "default")
        + policy("rules: [{}]\nselector: {matchLabels: {app: many}}", "fits")
        + policy("rules: [{}]\nselector: {matchLabels: {app: far}}", "fits-not")
        + policy("rules: [{}]\nselector: {matchLabels: {app: many, version: v2}}", "fits-in-part")
        + policy("rules: [{}]\nselector: {}", "empty")
        + policy("rules: [{}]", "other", "other")
        + policy("rules: [{}]", "root", "istio-system")
        + policy("rules: [{}]\nselector: {matchLabels: {app: many}}", "root-fits", "istio-system")
        + policy("rules: [{}]\nselector: {matchLabels: {app: far}}", "root-fits-not", "istio-system")
    )
    (found,) = http_policies(text)
    assert [*found["rules"]["policies"]] == [
        f"ns[{each}]-rule[0]"
        for each in (
            "istio-system]-policy[root",
            "istio-system]-policy[root-fits",
            "default]-policy[empty",
            "default]-policy[fits",
            "default]-policy[own",
        )
    ]


def test_actions_have_a_filter_each() -> None:
    """AUDIT comes first, then DENY, then ALLOW; policies of one action share a filter."""
    text = "".join(policy(f"action: {each}\nrules: [{{}}]", each.lower()) for each in ("ALLOW", "DENY", "AUDIT"))
    made = http_policies(text + policy("rules: [{}, {}]", "more"))
    assert [each["rules"].get("action") for each in made] == ["LOG", "DENY", None]
    assert names(made)[2] == [
        f"ns[default]-policy[{each}" for each in ("allow]-rule[0]", "more]-rule[0]", "more]-rule[1]")
    ]
    assert made[0]["rules"]["policies"]["ns[default]-policy[audit]-rule[0]"] == ALWAYS


@pytest.mark.parametrize("spec", ["", "rules: []", "action: ALLOW", "action: AUDIT"])
def test_a_policy_without_rules_never_matches(spec: str) -> None:
    """So an ALLOW policy without rules denies everything."""
    assert rule(http_policies(policy(spec))) == NEVER
    assert rule(tcp_policies(policy(spec))) == NEVER


def test_an_empty_rule_always_matches() -> None:
    """A rule that says nothing is for each call."""
    assert rule(http_policies(policy("rules: [{}]"))) == ALWAYS
    assert rule(http_policies(policy("rules: [{from: [], to: []}]"))) == ALWAYS


def test_dry_run() -> None:
    """A policy that is only tried makes shadow rules, which are counted and not enforced."""
    tried = "{istio.io/dry-run: 'true'}"
    (allow,) = http_policies(policy("rules: [{}]", annotations=tried))
    assert "rules" not in allow
    assert allow["shadow_rules"]["policies"] == {"ns[default]-policy[it]-rule[0]": ALWAYS}
    assert allow["shadow_rules_stat_prefix"] == "istio_dry_run_allow_"
    deny, allow = http_policies(
        policy("action: DENY\nrules: [{}]", "a", annotations=tried)
        + policy("action: DENY\nrules: [{}]", "b", annotations="{istio.io/dry-run: 'false'}")
        + policy("rules: [{}]", "c")
    )
    assert deny["shadow_rules"] == {"action": "DENY", "policies": {"ns[default]-policy[a]-rule[0]": ALWAYS}}
    assert deny["rules"] == {"action": "DENY", "policies": {"ns[default]-policy[b]-rule[0]": ALWAYS}}
    assert deny["shadow_rules_stat_prefix"] == "istio_dry_run_deny_"
    assert "shadow_rules" not in allow


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (
            operation("hosts: [a.b]"),
            {"header": {"name": ":authority", "string_match": {"exact": "a.b", "ignore_case": True}}},
        ),
        (
            operation("hosts: ['*.b']"),
            {"header": {"name": ":authority", "string_match": {"suffix": ".b", "ignore_case": True}}},
        ),
        (
            operation("hosts: ['a.*']"),
            {"header": {"name": ":authority", "string_match": {"prefix": "a.", "ignore_case": True}}},
        ),
        (operation("hosts: ['*']"), {"header": {"name": ":authority", "present_match": True}}),
        (operation("methods: [GET]"), {"header": {"name": ":method", "string_match": {"exact": "GET"}}}),
        (operation("methods: ['P*']"), {"header": {"name": ":method", "string_match": {"prefix": "P"}}}),
        (operation("paths: [/a]"), {"url_path": {"path": {"exact": "/a"}}}),
        (operation("paths: ['/a*']"), {"url_path": {"path": {"prefix": "/a"}}}),
        (operation("paths: ['*a']"), {"url_path": {"path": {"suffix": "a"}}}),
        (operation("paths: ['*']"), {"url_path": {"path": {"safe_regex": {"regex": ".+"}}}}),
        (operation("ports: ['080']"), {"destination_port": 80}),
        (when("destination.ip", "[10.0.0.0/8]"), {"destination_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}),
        (
            when("destination.ip", "['2001:DB8:0:0::1']"),
            {"destination_ip": {"address_prefix": "2001:db8::1", "prefix_len": 128}},
        ),
        (
            when("destination.ip", "['::ffff:1.2.3.4/120']"),
            {"destination_ip": {"address_prefix": "::ffff:1.2.3.4", "prefix_len": 120}},
        ),
        (when("destination.port", "['9080']"), {"destination_port": 9080}),
        (when("connection.sni", "['*.a']"), {"requested_server_name": {"suffix": ".a"}}),
    ],
)
def test_what_is_asked_for(text: str, made: Json) -> None:
    """Each field and condition, with its patterns (`permission.go`, `matcher/`)."""
    assert permissions(text) == [{"or_rules": {"rules": [made]}}]


def test_path_templates() -> None:
    """`{*}` and `{**}` are Envoy's `*` and `**` (`matcher/template.go`)."""
    (made,) = permissions(operation("paths: ['/a/{*}/b/{**}']"))
    (found,) = made["or_rules"]["rules"]
    assert found["uri_template"]["typed_config"] == {
        "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
        "path_template": "/a/*/b/**",
    }


def named(matcher: Json) -> Json:
    """A caller with a certificate."""
    return {"authenticated": {"principal_name": matcher}}


def regex(text: str) -> Json:
    """A matcher."""
    return {"safe_regex": {"regex": text}}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (source("principals: [cluster.local/ns/a/sa/b]"), named({"exact": "spiffe://cluster.local/ns/a/sa/b"})),
        (source("principals: [td/ns/a/*]"), named({"prefix": "spiffe://td/ns/a/"})),
        (source("principals: ['*/sa/b.c']"), named(regex(r"spiffe://.*/sa/b\.c"))),
        (source("principals: ['*']"), named(regex(".+"))),
        (source("namespaces: [a]"), named(regex(".*/ns/a/.*"))),
        (source("namespaces: ['a*b.c']"), named(regex(r".*/ns/a.*b\.c/.*"))),
        (source("serviceAccounts: [b]"), named(regex("spiffe://.+/ns/default/(.+/|)sa/b(/.+)?"))),
        (source("serviceAccounts: [a/b.c]"), named(regex(r"spiffe://.+/ns/a/(.+/|)sa/b\.c(/.+)?"))),
        (source("trustDomains: ['*']"), named({"prefix": "spiffe://"})),
        (source("trustDomains: [a.b]"), named({"prefix": "spiffe://a.b/"})),
        (source("trustDomains: ['*.b']"), named(regex(r"spiffe://[^/]*\.b/.*"))),
        (source("trustDomains: ['a.*']"), named(regex(r"spiffe://a\.[^/]*/.*"))),
        (source("ipBlocks: [10.0.0.7/8]"), {"direct_remote_ip": {"address_prefix": "10.0.0.7", "prefix_len": 8}}),
        (source("remoteIpBlocks: ['::/0']"), {"remote_ip": {"address_prefix": "::", "prefix_len": 0}}),
        (when("source.ip", "[1.2.3.4]"), {"direct_remote_ip": {"address_prefix": "1.2.3.4", "prefix_len": 32}}),
        (when("remote.ip", "[1.2.3.4]"), {"remote_ip": {"address_prefix": "1.2.3.4", "prefix_len": 32}}),
        (when("source.namespace", "[a]"), named(regex(".*/ns/a/.*"))),
        (when("source.serviceAccount", "[b]"), named(regex("spiffe://.+/ns/default/(.+/|)sa/b(/.+)?"))),
        (when("source.principal", "[x]"), named({"exact": "spiffe://x"})),
        (when("source.trustDomain", "[x]"), named({"prefix": "spiffe://x/"})),
        (when("request.headers[X-Y]", "['a*']"), {"header": {"name": "X-Y", "string_match": {"prefix": "a"}}}),
        (when("request.headers[x]", "['*']"), {"header": {"name": "x", "present_match": True}}),
    ],
)
def test_who_asks(text: str, made: Json) -> None:
    """Each field and condition, with its patterns (`principal.go`, `generator.go`)."""
    assert principals(text) == [{"or_ids": {"ids": [made]}}]


def claim(*path: str, **value: Any) -> Json:
    """What a token says."""
    keys = [{"key": each} for each in ("payload", *path)]
    return {"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": keys, "value": value}}


def token(issuer: Json, subject: Json) -> Json:
    """A token of this issuer and subject."""
    return {"and_ids": {"ids": [claim("iss", string_match=issuer), claim("sub", string_match=subject)]}}


@pytest.mark.parametrize(
    ("value", "issuer", "subject"),
    [
        ("*", regex(".+"), regex(".+")),
        ("i/s", {"exact": "i"}, {"exact": "s"}),
        ("https://i/a/s", {"exact": "https://i/a"}, {"exact": "s"}),
        ("i/*", {"exact": "i"}, regex(".+")),
        ("i/s*", {"exact": "i"}, {"prefix": "s"}),
        ("*/s", regex(".+"), {"exact": "s"}),
        ("*i/s", {"suffix": "i"}, {"exact": "s"}),
        ("*s", regex(".+"), {"suffix": "s"}),
        ("i*", {"prefix": "i"}, regex(".+")),
        ("i", {"exact": "i"}, {"exact": ""}),
    ],
)
def test_principals_of_tokens(value: str, issuer: Json, subject: Json) -> None:
    """`ISSUER/SUBJECT`, with `*` at one end (`requestPrincipalGenerator`)."""
    made = token(issuer, subject)
    assert principals(source(f"requestPrincipals: ['{value}']")) == [made]
    assert principals(when("request.auth.principal", f"['{value}']", negated=True)) == [{"not_id": made}]
    assert principals(source(f"requestPrincipals: ['{value}', a/b]")) == [
        {"or_ids": {"ids": [made, token({"exact": "a"}, {"exact": "b"})]}}
    ]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("request.auth.audiences", ["aud"]),
        ("request.auth.presenter", ["azp"]),
        ("request.auth.claims[groups]", ["groups"]),
        ("request.auth.claims[a][b]", ["a", "b"]),
        ("request.auth.claims[a[b]", ["a[b"]),
    ],
)
def test_claims_of_tokens(key: str, path: list[str]) -> None:
    """A claim is a text, or a list in which the text stands (`MetadataListValueMatcher`)."""
    value = {"string_match": {"exact": "x"}}
    both = {"value_matchers": [{"list_match": {"one_of": value}}, value]}
    assert principals(when(key, "[x]")) == [claim(*path, or_match=both)]
    several = {"or_match": {"value_matchers": [value, {"string_match": {"suffix": "y"}}]}}
    both = {"value_matchers": [{"list_match": {"one_of": several}}, several]}
    assert principals(when(key, "[x, '*y']")) == [claim(*path, or_match=both)]


def test_metadata_of_other_filters() -> None:
    """`experimental.envoy.filters.` looks into what a filter has found out; a value in brackets is one of a list."""
    found = permissions(when("experimental.envoy.filters.a.b[c]", "[x]"))
    assert found == [
        {"metadata": {"filter": "envoy.filters.a.b", "path": [{"key": "c"}], "value": {"string_match": {"exact": "x"}}}}
    ]
    (found,) = permissions(when("experimental.envoy.filters.a.b[c]", "['[x*]', z]", negated=True))
    listed = {"list_match": {"one_of": {"string_match": {"prefix": "x"}}}}
    assert found["not_rule"]["metadata"]["value"] == {
        "or_match": {"value_matchers": [listed, {"string_match": {"exact": "z"}}]}
    }


def test_order_and_negation() -> None:
    """Hosts come first, ports last, conditions behind; what must not be stands behind what must (`model.go`)."""
    fields = "ports: ['1'], notPorts: ['2'], paths: [/a], methods: [A], hosts: [a], notHosts: [b]"
    text = f"{{to: [{{operation: {{{fields}}}}}, {{operation: {{ports: ['3']}}}}], when: [{{key: connection.sni, values: [s]}}]}}"
    first, second = rule(http_policies(policy(f"rules: [{text}]")))["permissions"]
    kinds = [next(iter(each.get("not_rule", each)["or_rules"]["rules"][0])) for each in first["and_rules"]["rules"]]
    assert kinds == [
        "header",
        "header",
        "header",
        "url_path",
        "destination_port",
        "destination_port",
        "requested_server_name",
    ]
    assert ["not_rule" in each for each in first["and_rules"]["rules"]] == [
        False,
        True,
        False,
        False,
        False,
        True,
        False,
    ]
    assert len(second["and_rules"]["rules"]) == 2
    fields = "principals: [p], requestPrincipals: [r], trustDomains: [t], remoteIpBlocks: ['::'], ipBlocks: ['::']"
    (made,) = rule(http_policies(policy(f"rules: [{source(fields)}]")))["principals"]
    kinds = [next(iter(each.get("or_ids", {"ids": [each]})["ids"][0])) for each in made["and_ids"]["ids"]]
    assert kinds == ["authenticated", "and_ids", "authenticated", "remote_ip", "direct_remote_ip"]


HTTP_ONLY = [
    operation("methods: [GET]"),
    operation("paths: [/a]"),
    operation("notHosts: [a]"),
    source("requestPrincipals: ['*']"),
    source("notRequestPrincipals: ['*']"),
    when("request.headers[a]", "[b]"),
    when("request.auth.claims[a]", "[b]"),
    when("request.auth.audiences", "[b]"),
]


@pytest.mark.parametrize("text", HTTP_ONLY)
def test_http_only_fields_on_tcp(text: str) -> None:
    """Where no request is read, a rule cannot allow by what only requests have; a rule that denies takes in more instead."""
    (made,) = tcp_policies(policy(f"rules: [{text}]"))
    assert made["rules"] == {}
    (made,) = tcp_policies(policy(f"action: DENY\nrules: [{text}]"))
    assert made["rules"] == {"action": "DENY", "policies": {"ns[default]-policy[it]-rule[0]": ALWAYS}}
    (made,) = tcp_policies(policy(f"action: AUDIT\nrules: [{text}]"))
    assert made["rules"] == {"action": "LOG", "policies": {"ns[default]-policy[it]-rule[0]": ALWAYS}}


def test_tcp_keeps_what_connections_have() -> None:
    """Of a rule that denies, what a connection has stays; a rule that allows without fields of requests counts."""
    text = "rules: [{to: [{operation: {ports: ['9000'], methods: [GET]}}]}, {to: [{operation: {ports: ['9000']}}]}]"
    (made,) = tcp_policies(policy(text))
    assert [*made["rules"]["policies"]] == ["ns[default]-policy[it]-rule[1]"]
    assert made["stat_prefix"] == "tcp."
    (made,) = tcp_policies(policy("action: DENY\n" + text))
    ports = [{"or_rules": {"rules": [{"destination_port": 9000}]}}]
    assert [each["permissions"][0]["and_rules"]["rules"] for each in made["rules"]["policies"].values()] == [
        ports,
        ports,
    ]


@pytest.mark.parametrize("key", ["request.headersx[ab]", "request.auth.claims.x[ab]"])
def test_keys_that_name_nothing(key: str) -> None:
    """Istio's validation lets these through; istiod then drops the rule, or the condition of one that denies."""
    (made,) = http_policies(policy(f"rules: [{when(key, '[a]')}]"))
    assert made["rules"] == {}
    assert rule(http_policies(policy(f"action: DENY\nrules: [{when(key, '[a]')}]"))) == ALWAYS


MESH = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "{trustDomain: td, trustDomainAliases: [old, older]}"}
"""


def exact_principals(text: str) -> list[str]:
    """The principals of a policy where the mesh's trust domain is `td`, with aliases `old` and `older`."""
    listener = config(policy(f"rules: [{text}]"), "many-v1", SERVICES + MESH).listeners["virtualInbound"]
    chain = next(
        each for each in listener["filter_chains"] if each["filter_chain_match"].get("destination_port") == 8080
    )
    made = manager(chain)["http_filters"][0]["typed_config"]["rules"]["policies"]
    (found,) = made["ns[default]-policy[it]-rule[0]"]["principals"][0]["and_ids"]["ids"]
    names = [each["authenticated"]["principal_name"] for each in found["or_ids"]["ids"]]
    return [next(iter(each.values())) for each in names]


@pytest.mark.parametrize(
    ("given_", "made"),
    [
        ("td/ns/a/sa/b", ["td", "old", "older"]),
        ("old/ns/a/sa/b", ["td", "old", "older"]),
        ("cluster.local/ns/a/sa/b", ["td", "old", "older"]),
        ("old*/ns/a/sa/b", ["td", "old", "older"]),
        ("foreign/ns/a/sa/b", ["foreign"]),
    ],
)
def test_trust_domains_of_principals(given_: str, made: list[str]) -> None:
    """A principal of the mesh is one of each alias too (`ReplaceTrustDomainAliases`)."""
    assert exact_principals(source(f"principals: [{given_}]")) == [f"spiffe://{each}/ns/a/sa/b" for each in made]


def test_other_principals_stay() -> None:
    """What names no trust domain, or any, is not changed; `*` within one keeps what it fits."""
    assert exact_principals(source("principals: [x/sa/b, td/ns/a/sa/*]")) == [
        "spiffe://x/sa/b",
        "spiffe://td/ns/a/sa/",
        "spiffe://old/ns/a/sa/",
        "spiffe://older/ns/a/sa/",
    ]
    assert exact_principals(source("trustDomains: [td, foreign]")) == [
        *(f"spiffe://{each}/" for each in ("td", "old", "older", "foreign")),
    ]


def test_identities_of_callees() -> None:
    """Who answers may prove a name in an alias of the trust domain too; other names stay (`ExpandWithTrustDomains`)."""
    assert identities("spiffe://td/ns/a/sa/b", ["old", "older"]) == [
        f"spiffe://{each}/ns/a/sa/b" for each in ("td", "old", "older")
    ]
    for name in ("a.example.com", "spiffe://td/other", "spiffe://td/ns/a/x/b", "https://td/ns/a/sa/b"):
        assert identities(name, ["old"]) == [name]


def test_gateways() -> None:
    """At a gateway, requests meet the policies of its pod; sidecars ask nothing of calls that go out."""
    text = policy("selector: {matchLabels: {istio: ingressgateway}}\nrules: [{}]", namespace="istio-system")
    ((_, listener),) = config(GATEWAY + text, GATEWAY_NAME).listeners.items()
    filters = manager(listener["filter_chains"][0])["http_filters"]
    assert [each["name"] for each in filters][:2] == ["envoy.filters.http.rbac", "envoy.filters.http.grpc_stats"]
    everywhere = policy("", namespace="istio-system")
    made = config(everywhere, "many-v1", SERVICES).listeners
    outbound = {name: each for name, each in made.items() if name != "virtualInbound"}
    assert "rbac" not in str(outbound)
    assert "rbac" in str(made["virtualInbound"])


def test_all_chains_ask() -> None:
    """With mutual TLS and without, sniffed, and for ports of no Service: no way in goes past the policies."""
    text = policy("")
    for port in (0, 7000, 8080, 9000):
        for chain in chains(text, port):
            *before, last = chain["filters"]
            if "http_filters" in last["typed_config"]:
                assert manager(chain)["http_filters"][0]["name"] == "envoy.filters.http.rbac"
                assert before == []
            else:
                assert [each["name"] for each in before] == ["envoy.filters.network.rbac"]


# What a policy means, said directly: as Istio's reference says it, not as istiod builds it.

HOSTS, PATHS, METHODS = (
    ["a.b", "A.B", "*.b", "a.*", "*"],
    ["/", "/a", "/a/b", "/a*", "*b", "/{*}/b", "/a/{**}", "*"],
    ["GET", "P*", "*T"],
)
ADDRESSES = ["10.0.0.0/8", "10.0.0.1", "192.168.0.0/16", "0.0.0.0/0", "::/0"]
PRINCIPALS = ["td/ns/a/sa/b", "td/ns/a/*", "*/sa/b", "*", "td/ns/c/sa/d"]


def both(field: str, values: list[str]) -> dict[str, st.SearchStrategy[list[str]]]:
    """A field and its negation."""
    listed = st.lists(st.sampled_from(values), max_size=2)
    return {field: listed, f"not{field[0].upper()}{field[1:]}": listed}


OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        **both("hosts", HOSTS),
        **both("paths", PATHS),
        **both("methods", METHODS),
        **both("ports", ["9080", "80"]),
    },
).filter(lambda each: any(each.values()))
SOURCES = st.fixed_dictionaries(
    {},
    optional={
        **both("principals", PRINCIPALS),
        **both("namespaces", ["a", "c*", "*"]),
        **both("ipBlocks", ADDRESSES),
        **both("remoteIpBlocks", ADDRESSES),
        **both("requestPrincipals", ["i/s", "i/*", "*/s", "*"]),
    },
).filter(lambda each: any(each.values()))
CONDITIONS = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["request.headers[x]", "request.auth.claims[g]", "source.namespace", "connection.sni"]),
        "values": st.lists(st.sampled_from(["a", "b*", "*"]), max_size=2),
        "notValues": st.lists(st.sampled_from(["a", "*c"]), max_size=2),
    }
).filter(lambda each: each["values"] or each["notValues"])
RULES = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(SOURCES.map(lambda each: {"source": each}), max_size=2),
        "to": st.lists(OPERATIONS.map(lambda each: {"operation": each}), max_size=2),
        "when": st.lists(CONDITIONS, max_size=2),
    },
)
POLICIES = st.fixed_dictionaries(
    {"action": st.sampled_from(["ALLOW", "DENY", "AUDIT"]), "rules": st.lists(RULES, max_size=3)}
).filter(lambda each: each["rules"] or each["action"] != "DENY")
CALLS = st.builds(
    Call,
    source=st.sampled_from(["10.0.0.1", "192.168.0.1", "fe80::1"]),
    remote=st.sampled_from(["10.0.0.1", "203.0.113.9", "::1"]),
    port=st.sampled_from([9080, 80, 7]),
    sni=st.sampled_from(["", "a", "bc"]),
    principal=st.sampled_from(["", "td/ns/a/sa/b", "other/ns/c/sa/b", "td/ns/cc/sa/d"]),
    method=st.sampled_from(["GET", "PUT", "POST"]),
    path=st.sampled_from(["/", "/a", "/a/b", "/a/b?c=/", "/b", "/c/b", "/a/"]),
    host=st.sampled_from(["a.b", "A.b", "c.B", "x"]),
    headers=st.dictionaries(st.just("x"), st.sampled_from(["a", "bc", ""])),
    token=st.sampled_from(
        [{}, {"iss": "i", "sub": "s", "g": "a"}, {"iss": "j", "sub": "s", "g": ["bc", "x"]}, {"iss": "i", "sub": "t"}]
    ),
)


def fits(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern with `*` at one end; `*` itself asks for presence."""
    if pattern == "*":
        return bool(text)
    if pattern.startswith("*"):
        return text.endswith(pattern[1:])
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def fits_path(pattern: str, path: str) -> bool:
    """Whether a path fits; in a template `{*}` is one part and `{**}` the rest."""
    if "{" not in pattern:
        return fits(pattern, path)
    wanted, have = pattern.split("/"), path.split("/")
    for index, each in enumerate(wanted):
        if each == "{**}":
            return len(have) > index
        if index >= len(have) or not (have[index] == each or (each == "{*}" and have[index])):
            return False
    return len(wanted) == len(have)


def within(block: str, address: str) -> bool:
    """Whether an address lies in a range."""
    return ip_address(address) in ip_network(block, strict=False)


def fits_token(pattern: str, call: Call) -> bool:
    """Whether a token's principal fits."""
    if not call.token:
        return False
    issuer, subject = str(call.token["iss"]), str(call.token["sub"])
    return fits(pattern, f"{issuer}/{subject}")


def field_holds(field: str, pattern: str, call: Call) -> bool:
    """Whether a call fits one value of a field or of a condition."""
    namespace = call.principal.split("/")[2] if call.principal else ""
    match field:
        case "hosts":
            return fits(pattern.lower(), call.host.lower())
        case "paths":
            return fits_path(pattern, call.path.partition("?")[0])
        case "methods":
            return fits(pattern, call.method)
        case "ports":
            return int(pattern) == call.port
        case "principals":
            return bool(call.principal) and fits(pattern, call.principal)
        case "namespaces" | "source.namespace":
            return bool(namespace) and fits(pattern, namespace)
        case "ipBlocks":
            return within(pattern, call.source)
        case "remoteIpBlocks":
            return within(pattern, call.remote)
        case "requestPrincipals":
            return fits_token(pattern, call)
        case "connection.sni":
            return fits(pattern, call.sni)
        case "request.headers[x]":
            return "x" in call.headers and (pattern == "*" or fits(pattern, call.headers["x"]))
        case "request.auth.claims[g]":
            claimed = call.token.get("g", [])
            return any(fits(pattern, each) for each in (claimed if isinstance(claimed, list) else [str(claimed)]))
    raise AssertionError(field)


def all_hold(fields: dict[str, list[str]], call: Call) -> bool:
    """Whether a call fits each field that is given: one of its values, and none of what must not be."""
    for name, values in fields.items():
        negated = name.startswith("not")
        field = name[3].lower() + name[4:] if negated else name
        if values and any(field_holds(field, each, call) for each in values) == negated:
            return False
    return True


def condition_holds(condition: dict[str, Any], call: Call) -> bool:
    """Whether a call fits a condition."""
    values, not_values = condition.get("values", []), condition.get("notValues", [])
    key = condition["key"]
    return (not values or any(field_holds(key, each, call) for each in values)) and not any(
        field_holds(key, each, call) for each in not_values
    )


def rule_holds(given_: dict[str, Any], call: Call) -> bool:
    """Whether a call fits a rule: one of its sources, one of its operations and each of its conditions."""
    sources, operations = given_.get("from", []), given_.get("to", [])
    return (
        (not sources or any(all_hold(each["source"], call) for each in sources))
        and (not operations or any(all_hold(each["operation"], call) for each in operations))
        and all(condition_holds(each, call) for each in given_.get("when", []))
    )


def decision(policies: list[dict[str, Any]], call: Call) -> bool:
    """A call that a DENY policy fits is denied; else, where there are ALLOW policies, one must fit."""
    matched = {
        action: [any(rule_holds(rule, call) for rule in each["rules"]) for each in policies if each["action"] == action]
        for action in ("DENY", "ALLOW")
    }
    return not any(matched["DENY"]) and (not matched["ALLOW"] or any(matched["ALLOW"]))


def as_text(policies: list[dict[str, Any]]) -> str:
    """The policies as resources."""
    return "".join(security("AuthorizationPolicy", yaml.safe_dump(each), f"p{n}") for n, each in enumerate(policies))


@settings(deadline=None, max_examples=150)
@given(st.lists(POLICIES, min_size=1, max_size=3), st.lists(CALLS, min_size=1, max_size=12))
def test_requests_are_decided_as_the_policies_say(policies: list[dict[str, Any]], calls: list[Call]) -> None:
    """The filters decide each request as the policies read, whatever they hold."""
    filters = http_policies(as_text(policies))
    for call in calls:
        assert allowed(filters, call) == decision(policies, call), call


@settings(deadline=None, max_examples=100)
@given(st.lists(POLICIES, min_size=1, max_size=3), st.lists(CALLS, min_size=1, max_size=12))
def test_a_connection_is_never_let_in_where_a_request_could_be_turned_away(
    policies: list[dict[str, Any]], calls: list[Call]
) -> None:
    """What filters for TCP cannot see, they hold against the call: whoever they let in, each request of theirs would be let in."""
    http, tcp = http_policies(as_text(policies)), tcp_policies(as_text(policies))
    for call in calls:
        assert not allowed(tcp, call) or allowed(http, call), call
