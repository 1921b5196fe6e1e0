"""What PeerAuthentication, AuthorizationPolicy and RequestAuthentication may say: each mistake with its place and its cause."""

from __future__ import annotations

import pytest

from meshtest.resources.manifest import check, read_objects
from tests.resources.problems import problems, refused, resource, spec

VERSION = "security.istio.io/v1"


def peer(text: str) -> str:
    """A PeerAuthentication with this spec."""
    return resource("PeerAuthentication", text, version=VERSION)


def policy(text: str) -> str:
    """An AuthorizationPolicy with this spec."""
    return resource("AuthorizationPolicy", text, version=VERSION)


def tokens(text: str) -> str:
    """A RequestAuthentication with this spec."""
    return resource("RequestAuthentication", text, version=VERSION)


def source(text: str) -> str:
    """A policy with one rule, for these callers."""
    return policy(f"rules: [{{from: [{{source: {{{text}}}}}]}}]")


def operation(text: str) -> str:
    """A policy with one rule, for these requests."""
    return policy(f"rules: [{{to: [{{operation: {{{text}}}}}]}}]")


def when(text: str) -> str:
    """A policy with one rule, under this condition."""
    return policy(f"rules: [{{when: [{{{text}}}]}}]")


WRONG = [
    (peer("mtls: {mode: strict}"), "5: PeerAuthentication default/it spec.mtls.mode: must be one of UNSET,"),
    (peer("mtls: STRICT"), "spec.mtls: must be a mapping such as {mode: STRICT}"),
    (peer("portLevelMtls: {'80': {mode: STRICT}}"), "spec.portLevelMtls: is for the ports of some workloads"),
    (peer("selector: {matchLabels: {a: b}}\nportLevelMtls: {}"), "6: PeerAuthentication default/it spec.portLevelMtls"),
    (
        peer("selector: {matchLabels: {a: b}}\nportLevelMtls: {http: {}}"),
        "must be the number of a port, from 1 to 65535",
    ),
    (peer("selector: {matchLabels: {a: 'b*'}}"), "spec.selector.matchLabels.a: `*` has no meaning in a selector"),
    (peer("selector: {matchLabel: {a: b}}"), "there is no field 'matchLabel' here; did you mean 'matchLabels'?"),
    (peer("modes: STRICT"), "there is no field 'modes' here"),
    (source("namespaces: [default], serviceAccounts: [a]"), "'namespaces' and 'serviceAccounts' exclude each other"),
    (source(""), "spec.rules[0].from[0].source: must say something of the caller; take it away if all are meant"),
    (source("principals: []"), "must say something of the caller"),
    (source("ipBlocks: [10.0.0.0/33]"), "spec.rules[0].from[0].source.ipBlocks[0]: is no range of IP addresses"),
    (source("ipBlocks: [10.0.0]"), "must be an IP address such as 10.1.2.3, or a range such as 10.1.0.0/16"),
    (source("ipBlocks: [10.0.0.0/08]"), "is no range of IP addresses"),
    (source("serviceAccounts: ['a*']"), "service accounts are named one by one"),
    (source("serviceAccounts: [a/b/c]"), "must be `name` or `namespace/name` of a service account"),
    (source("trustDomains: ['a*b']"), "`*` may only stand once, at the beginning or at the end"),
    (source("trustDomains: [a/b]"), "must be a trust domain, without `/`"),
    (source("principal: [a]"), "there is no field 'principal' here; did you mean 'principals'?"),
    (policy("rules: [{from: [{sources: {}}]}]"), "did you mean 'source'?"),
    (policy("rules: [{from: [{}]}]"), "spec.rules[0].from[0]: the field 'source' is missing"),
    (policy("rules: [null]"), "spec.rules[0]: must be a mapping; this is nothing (null)"),
    (operation("ports: [80]"), "must be a text; this is the number 80 to YAML: put it in quotes"),
    (operation("ports: ['*']"), "must be the number of a port, up to 65535, in quotes; this is '*'"),
    (operation("methods: ['']"), "spec.rules[0].to[0].operation.methods[0]: must not be empty"),
    (operation("paths: ['/a{b}']"), "may only stand as {*} or {**} for a whole part of the path"),
    (operation("paths: ['/{**}/{*}']"), "no {*} or {**} may follow {**}"),
    (operation("paths: ['/a*/{*}']"), "beside {*} and {**} each part must be plain and not empty; 'a*' is not"),
    (when("key: source.ips, values: [a]"), "there is no attribute 'source.ips'; did you mean 'source.ip'?"),
    (when("key: request.headers, values: [a]"), "must name one in brackets, such as request.headers[user-agent]"),
    (when("key: 'destination.labels[a]', values: [a]"), "use the policy's selector"),
    (when("key: source.ip"), "must have at least one of `values` and `notValues`"),
    (when("key: source.ip, notValues: [x]"), "spec.rules[0].when[0].notValues[0]: must be an IP address"),
    (when("values: [a]"), "the field 'key' is missing"),
    (policy("action: Deny"), "spec.action: must be one of ALLOW, DENY, AUDIT, CUSTOM; this is the text 'Deny'"),
    (
        policy("action: DENY"),
        "spec: DENY without `rules` is never applied: write `rules: [{}]` if each request is meant",
    ),
    (policy("action: DENY\nrules: []"), "DENY without `rules` is never applied"),
    (policy("provider: {name: a}"), "spec.provider: is for the action CUSTOM only; this is ALLOW"),
    (policy("action: CUSTOM\nrules: [{}]"), "the action CUSTOM needs a `provider`"),
    (
        policy("action: CUSTOM\nprovider: {name: a}\nrules: [{from: [{source: {namespaces: [a]}}]}]"),
        "spec.rules[0].from[0].source.namespaces: is not allowed with the action CUSTOM",
    ),
    (
        policy("action: CUSTOM\nprovider: {name: a}\nrules: [{when: [{key: source.principal, values: [a]}]}]"),
        "spec.rules[0].when[0].key: is not allowed with the action CUSTOM",
    ),
    (policy("selector: {}\ntargetRefs: []"), "'targetRefs' and 'selector' exclude each other: keep one"),
    (policy("targetRefs: [{kind: Pod, name: a}]"), "a policy cannot be attached to this; it can be to core/Service"),
    (policy("targetRefs: [{kind: Service, name: a, namespace: b}]"), "must be the policy's own: take the field away"),
    (tokens("jwtRules: [{}]"), "spec.jwtRules[0]: must have an `issuer` or a `jwksUri`"),
    (tokens("jwtRules: [{issuer: ''}]"), "spec.jwtRules[0].issuer: must not be empty"),
    (tokens("jwtRules: [{issuer: a, jwks: '{}', jwksUri: 'https://a'}]"), "the key 0 of this set has no type"),
    (tokens("jwtRules: [{issuer: a, jwks: '', jwksUri: 'https://a'}]"), "'jwks' and 'jwksUri' exclude each other"),
    (tokens("jwtRules: [{jwksUri: 'ftp://a'}]"), "must be a URL that begins with http:// or https://"),
    (tokens("jwtRules: [{issuer: a, jwks: 'keys'}]"), "must be a JSON Web Key Set; this is no JSON"),
    (tokens("jwtRules: [{issuer: a, timeout: 0s}]"), "must be a duration of at least 1ms"),
    (tokens("jwtRules: [{issuer: a, fromHeaders: [{}]}]"), "the field 'name' is missing"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong(text: str, said: str) -> None:
    """Each mistake is named with its place and its cause."""
    found = problems(text)
    assert any(said in line for line in found), found


def test_all_fields_are_taken() -> None:
    """Resources that use each field are accepted as they are written."""
    assert spec(peer("selector: {matchLabels: {a: b}}\nmtls: {mode: UNSET}\nportLevelMtls: {'80': {}}"))[
        "portLevelMtls"
    ] == {"80": {}}
    text = "principals: ['*'], notPrincipals: [a], requestPrincipals: [i/s], namespaces: [a], trustDomains: ['*.a'], ipBlocks: ['::/0']"
    assert spec(source(text))["rules"][0]["from"][0]["source"]["ipBlocks"] == ["::/0"]
    assert spec(operation("hosts: ['*.a'], ports: ['080'], notMethods: [GET], paths: ['/a/{*}/b/{**}/c']"))
    assert spec(when("key: 'request.auth.claims[a][b]', values: [c], notValues: [d]"))
    assert spec(policy("{}")) == {}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (policy("action: CUSTOM\nprovider: {name: a}\nrules: [{}]"), ["spec.action"]),
        (policy("targetRefs: [{kind: Service, name: a}]"), ["spec.targetRefs"]),
        (policy("targetRef: {kind: Gateway, group: gateway.networking.k8s.io, name: a}"), ["spec.targetRef"]),
        (tokens("jwtRules: [{issuer: a, jwks: '{\"keys\": []}'}]"), ["kind"]),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(text: str, fields: list[str]) -> None:
    """A sound field that the local mesh does not implement is refused, never ignored."""
    assert refused(text) == fields


@pytest.mark.parametrize(
    ("kind", "key", "value", "said"),
    [
        ("PeerAuthentication", "istio.io/dry-run", "true", "is for AuthorizationPolicies only"),
        ("AuthorizationPolicy", "istio.io/dry-run", "yes", 'must be "true" or "false"; this is \'yes\''),
        ("AuthorizationPolicy", "internal.istio.io/webhook-always-reject", "", "is Istio's own: take it away"),
    ],
)
def test_annotations_that_istiod_refuses(kind: str, key: str, value: str, said: str) -> None:
    """Istio's own annotations are checked too."""
    text = (
        f"apiVersion: {VERSION}\nkind: {kind}\nmetadata:\n  name: it\n  annotations: {{{key}: '{value}'}}\nspec: {{}}\n"
    )
    (found,) = problems(text)
    assert found.startswith("5: ")
    assert said in found


def test_each_version_that_is_served_is_read() -> None:
    """`v1` and `v1beta1` are the same."""
    for version in ("v1", "v1beta1"):
        body = {"apiVersion": f"security.istio.io/{version}", "kind": "PeerAuthentication", "metadata": {"name": "a"}}
        assert [each.spec for each in check(read_objects([body]))] == [{}]
