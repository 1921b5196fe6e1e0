"""Mutants: which there are, and what holds for those of any resources."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from meshtest.errors import ResourceError
from meshtest.mutants.change import safe
from meshtest.mutants.mutant import Mutant, mutants
from meshtest.resources.document import Path
from meshtest.resources.manifest import check, read_objects, read_text
from meshtest.resources.resource import Resource
from tests.istiod.invention import Invention
from tests.meshes.manifests import GATEWAY, SUBSETS, rules

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
ABSENT = object()


def of(manifest: str, points: float = 10) -> dict[str, Mutant]:
    """The mutants of a manifest, by what follows the name of the resource in their ids."""
    found = list(mutants(read_text(manifest, "m.yaml"), points))
    assert len({each.id for each in found}) == len(found)
    return {each.id.partition(":")[2]: each for each in found}


def kind(group: str, kind: str, spec: str) -> str:
    return f"apiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n  {spec}\n"


def http(rule: str) -> str:
    return rules(f"[{{{rule}, route: [{{destination: {{host: reviews}}}}]}}]").lstrip("-\n")


def policy(block: str) -> str:
    return kind("networking", "DestinationRule", f"{{host: reviews, trafficPolicy: {{{block}}}}}")


TWO = "route: [{destination: {host: a}, weight: 80}, {destination: {host: b}, weight: 20}]"
CASES = [
    (rules(f"[{{{TWO}}}]"), {"http[0].route[1].weight=30", "http[0].route[0].weight=90", "http[0].route[1]:removed", "http[0].route[0].destination.host=b"}),
    (rules("[{route: [{destination: {host: a}, weight: 7}, {destination: {host: b}, weight: 1}]}]"), {"http[0].route[1].weight=9"}),
    (http("fault: {abort: {httpStatus: 503, percentage: {value: 50}}, delay: {fixedDelay: 2s, percentage: {value: 5}}}"), {
        *("http[0].fault.abort.percentage.value=60", "http[0].fault.abort.percentage.value=40", "http[0].fault.delay.percentage.value=15"),
        *("http[0].fault.abort.httpStatus=504", "http[0].fault.abort.httpStatus=403", "http[0].fault.delay.fixedDelay=4s"),
        *("http[0].fault.delay.fixedDelay=1s", "http[0].fault.abort:removed", "http[0].fault.delay:removed", "http[0].fault:removed"),
    }),
    (http("timeout: 500ms, retries: {attempts: 3, perTryTimeout: 100ms, retryOn: '5xx,reset'}"), {
        *("http[0].timeout=1s", "http[0].timeout=0.25s", "http[0].timeout:removed", "http[0].retries.attempts=2"),
        *("http[0].retries.attempts=4", "http[0].retries.perTryTimeout=0.2s", "http[0].retries.retryOn=5xx", "http[0].retries.retryOn=reset"),
    }),
    (http("mirror: {host: b}, mirrorPercentage: {value: 100}"), {"http[0].mirrorPercentage.value=90", "http[0].mirror:removed", "http[0].mirror.host=reviews"}),
    (http("mirror: {host: b}"), {"http[0].mirrorPercentage.value=90"}),
    (http("match: [{uri: {prefix: /a}, headers: {x: {exact: '1'}}}, {method: {exact: GET}}]"), {
        *("http[0].match[0].uri=exact", "http[0].match[0].uri.prefix=/a-mutant", "http[0].match[0].uri:removed", "http[0].match[0].headers:removed"),
        *("http[0].match[0].headers.x=prefix", "http[0].match[0].headers.x.exact=2", "http[0].match[1]:removed", "http[0].match:removed"),
    }),
    (http("headers: {request: {set: {x: a, w: b}, remove: [z]}}"), {"http[0].headers.request.set.x=a-mutant", "http[0].headers.request.set.w:removed", "http[0].headers.request.remove:removed"}),
    (http("rewrite: {uri: /b, authority: c}"), {"http[0].rewrite.uri=/b-mutant", "http[0].rewrite.authority:removed"}),
    (http("corsPolicy: {allowOrigins: [{exact: 'https://a.example'}], allowMethods: [GET, PUT], maxAge: 60s, allowCredentials: true}"), {
        *("http[0].corsPolicy.allowCredentials=false", "http[0].corsPolicy.maxAge=120s", "http[0].corsPolicy.allowMethods[1]:removed"),
        *("http[0].corsPolicy.allowOrigins[0]=prefix", "http[0].corsPolicy:removed"),
    }),
    (rules("[{redirect: {uri: /b, redirectCode: 302}}]"), {"http[0].redirect.redirectCode=301", "http[0].redirect.redirectCode=307", "http[0].redirect.uri=/b-mutant"}),
    (rules("[{directResponse: {status: 404, body: {string: gone}}}]"), {"http[0].directResponse.status=405", "http[0].directResponse.status=504", "http[0].directResponse.body:removed", "http[0].directResponse.body.string=gone-mutant"}),
    (GATEWAY, {"servers[0].port.number=81", "servers[0].hosts[0]=mutant.example.com", "selector.istio=ingressgateway-mutant"}),
    (kind("networking", "Gateway", "{selector: {istio: x}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [a.example], tls: {httpsRedirect: true}}]}"), {"servers[0].tls.httpsRedirect=false", "servers[0].hosts[0]=a.example-mutant"}),
    (kind("networking", "Gateway", "{servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example], tls: {mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_2}}]}"), {"servers[0].tls.mode=MUTUAL", "servers[0].tls.minProtocolVersion=TLSV1_3", "servers[0].tls.minProtocolVersion:removed"}),
    (policy("connectionPool: {tcp: {maxConnections: 4}, http: {http1MaxPendingRequests: 1, maxRetries: 2}}"), {
        *("trafficPolicy.connectionPool.tcp.maxConnections=3", "trafficPolicy.connectionPool.tcp.maxConnections=5"),
        *("trafficPolicy.connectionPool.http.http1MaxPendingRequests=2", "trafficPolicy.connectionPool.http.maxRetries:removed"),
    }),
    (policy("outlierDetection: {consecutive5xxErrors: 3, interval: 1s, maxEjectionPercent: 100}"), {
        *("trafficPolicy.outlierDetection.consecutive5xxErrors=2", "trafficPolicy.outlierDetection.consecutive5xxErrors=4"),
        *("trafficPolicy.outlierDetection.maxEjectionPercent=90", "trafficPolicy.outlierDetection.interval=2s", "trafficPolicy:removed"),
    }),
    (policy("loadBalancer: {simple: ROUND_ROBIN}"), {"trafficPolicy.loadBalancer.simple=RANDOM", "trafficPolicy.loadBalancer.simple=LEAST_REQUEST"}),
    (policy("loadBalancer: {consistentHash: {httpHeaderName: x}}"), {"trafficPolicy.loadBalancer.consistentHash.httpHeaderName=x-mutant"}),
    (policy("loadBalancer: {localityLbSetting: {distribute: [{from: 'a/*', to: {'a/*': 80, 'b/*': 20}}]}}, outlierDetection: {}"), {"trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to.b/*=30"}),
    (policy("tls: {mode: SIMPLE, sni: a.example}"), {"trafficPolicy.tls.mode=DISABLE", "trafficPolicy.tls.sni:removed", "trafficPolicy.tls.sni=a.example-mutant"}),
    (SUBSETS, {"subsets[0].labels.version=v2", "subsets[1]:removed", "subsets[2].name=v3-mutant", "host=reviews-mutant"}),
    (kind("security", "AuthorizationPolicy", "{action: DENY, rules: [{to: [{operation: {paths: [/a], methods: [GET, PUT]}}], when: [{key: 'request.headers[x]', values: ['1']}]}]}"), {
        *("action=AUDIT", "action=ALLOW", "action:removed", "rules[0].to[0].operation.paths[0]=/a-mutant"),
        *("rules[0].to[0].operation.methods[0]:removed", "rules[0].when:removed", "rules[0].when[0].values[0]=2"),
    }),
    (kind("security", "PeerAuthentication", "{mtls: {mode: PERMISSIVE}}"), {"mtls.mode=STRICT", "mtls.mode=DISABLE"}),
    (kind("networking", "ServiceEntry", "{hosts: [a.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS, location: MESH_EXTERNAL}"), {"hosts[0]=a.example-mutant", "ports[0].number=81", "resolution=NONE"}),
    (kind("networking", "Sidecar", "{egress: [{hosts: ['./*', 'istio-system/*']}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}"), {"egress[0].hosts[0]:removed", "egress[0].hosts[0]=./mutant.example.com", "outboundTrafficPolicy.mode=ALLOW_ANY"}),
    (kind("networking", "VirtualService", "{hosts: [t], tcp: [{match: [{port: 9000}], route: [{destination: {host: t}}]}, {route: [{destination: {host: u}}]}]}"), {"tcp[0]:swapped", "tcp[0].match:removed", "tcp[0].match[0].port=9001", "tcp[1].route[0].destination.host=t"}),
    (kind("networking", "VirtualService", "{hosts: [t.example], tls: [{match: [{port: 443, sniHosts: [t.example]}], route: [{destination: {host: t}}]}]}"), {"tls[0].match[0].port:removed", "tls[0].route[0].destination.host=t-mutant"}),
]  # fmt: skip


@pytest.mark.parametrize(("manifest", "wanted"), CASES)
def test_there_is_a_mutant_of_each_kind(manifest: str, wanted: set[str]) -> None:
    """Each of these is among the mutants."""
    assert wanted - of(manifest).keys() == set()


def test_what_a_mutant_says_of_itself() -> None:
    """A sentence, the resource, and the line."""
    found = of(GATEWAY + rules(f"[{{{TWO}}}]"))["http[0].route[1].weight=30"]
    assert found.id == "VirtualService/rules:http[0].route[1].weight=30"
    assert (
        found.sentence == "VirtualService default/rules: the weights of spec.http[0].route are 70:30 instead of 80:20"
    )
    assert found.key == ("networking.istio.io", "VirtualService", "default", "rules")
    assert found.where == "m.yaml:18"
    assert [each["weight"] for each in found.resources[1].spec["http"][0]["route"]] == [70, 30]


@pytest.mark.parametrize(
    ("weights", "points", "wanted"),
    [
        ("80 20", 10, ["70 30", "90 10"]),
        ("8 2", 10, ["7 3", "9 1"]),
        ("99 1", 10, ["89 11"]),
        ("1 0", 5, ["19 1"]),
        ("80 20", 2.5, ["31 9", "33 7"]),
        ("50 30 20", 20, ["30 50 20", "30 30 40", "70 10 20", "50 10 40", "70 30 0", "50 50 0"]),
        ("1 1 1", 100, []),
    ],
)
def test_points_move_between_destinations(weights: str, points: float, wanted: list[str]) -> None:
    """Exactly so many of all requests go from one to another; a move that is too large for the giver is none."""
    route = ", ".join(f"{{destination: {{host: h{at}}}, weight: {each}}}" for at, each in enumerate(weights.split()))
    found = [each for tail, each in of(rules(f"[{{route: [{route}]}}]"), points).items() if "weight=" in tail]
    seen = [" ".join(str(each["weight"]) for each in mutant.resources[0].spec["http"][0]["route"]) for mutant in found]
    assert sorted(seen) == sorted(wanted)


def test_neighbours_change_places_only_where_that_can_matter() -> None:
    """Not where no request fits both, and not where both do the same."""
    rule = "{{match: [{{uri: {{{}}}}}], route: [{{destination: {{host: {}}}}}]}}"
    texts = [("prefix: /a", "a"), ("prefix: /b", "b"), ("prefix: /", "b"), ("exact: /c", "c")]
    found = of(rules(f"[{', '.join(rule.format(*each) for each in texts)}]"))
    assert [name for name in found if name.endswith(":swapped")] == ["http[2]:swapped"]


def test_whole_resources_are_removed() -> None:
    """Each of several; Kubernetes' own stay as they are."""
    service = "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {}\n"
    found = of(GATEWAY + SUBSETS + service)["removed"]
    assert [each.kind for each in found.resources] in (["DestinationRule", "Service"], ["Gateway", "Service"])
    assert "removed" not in of(GATEWAY + service)


def test_the_namespace_is_part_of_an_id_where_it_is_written() -> None:
    """So that resources of one name are told apart."""
    found = list(
        mutants(read_text(GATEWAY + "---" + GATEWAY.replace("name: edge", "name: edge, namespace: other"), "m"))
    )
    assert {each.id.partition(":")[0] for each in found} == {"Gateway/edge", "Gateway/other/edge"}


def test_wrong_arguments() -> None:
    """Points beyond 100, and resources that are wrong themselves."""
    with pytest.raises(ValueError, match="points must be above 0 and at most 100; this is 0"):
        list(mutants([], 0))
    with pytest.raises(ResourceError, match=r"m.yaml:9: .*there is no field 'host' here"):
        list(mutants(read_text(GATEWAY.replace("hosts:", "host:"), "m.yaml")))


@given(st.integers(0, 10**6), st.sampled_from([1, 5, 10, 33.3]))
@PATIENT
def test_what_holds_for_all(seed: int, points: float) -> None:
    """A mutant is valid, differs in what it says and nothing else, has an id of its own, and leaves the original alone."""
    documents = [*{(each["kind"], str(each["metadata"])): each for each in Invention(seed).documents()}.values()]
    resources = read_objects(documents)
    try:
        check(resources)
    except ResourceError:
        assume(False)
    before = copy.deepcopy(documents)
    found = list(mutants(resources, points))
    assert documents == before
    assert [each.id for each in found] == [each.id for each in mutants(resources, points)]
    assert len({each.id for each in found}) == len(found)
    for each in found:
        assert re.fullmatch(r"[!-~]+", each.id)
        assert "::" not in each.id
        check(each.resources)
        _differs_as_it_says(resources, each)


def _differs_as_it_says(resources: list[Resource], mutant: Mutant) -> None:
    was = {each.key: each.body for each in resources}
    now = {each.key: each.body for each in mutant.resources}
    own = was.pop(mutant.key)
    changed = now.pop(mutant.key, None)
    assert was == now
    if changed is None:
        assert mutant.id.endswith(":removed")
    else:
        assert changed != own
        assert _undone(changed, own, mutant) == own


def _undone(changed: Any, own: Any, mutant: Mutant) -> Any:
    """The mutant with what it says it changed as it was before."""
    path = mutant.path
    if mutant.id.endswith(":swapped"):
        rest, at = path[:-1], int(path[-1])
        items = list(_at(changed, rest))
        items[at : at + 2] = reversed(items[at : at + 2])
        return _with(changed, rest, items, own)
    if "the weights of" in mutant.sentence:
        rest = path[:-2] if path[-1] == "weight" else path[:-1]
        assert _unweighted(_at(changed, rest)) == _unweighted(_at(own, rest))
        return _with(changed, rest, _at(own, rest), own)
    return _with(changed, path, _at(own, path), own)


def _unweighted(value: Any) -> Any:
    if isinstance(value, list):
        return [{key: item for key, item in each.items() if key != "weight"} for each in value]
    return sorted(value)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, dict) and part not in value:
            return ABSENT
        value = value[part]
    return value


def _with(value: Any, path: Path, new: Any, own: Any) -> Any:
    """A copy with a value at a path; where an item is missing in comparison with `own` it is put in between."""
    if not path:
        return new
    part, rest = path[0], path[1:]
    if isinstance(value, dict):
        inner = _with(value.get(part), rest, new, own[part] if rest else None)
        return {key: each for key, each in {**value, part: inner}.items() if each is not ABSENT}
    items, index = list(value), int(part)
    if len(items) < len(own):
        return [*items[:index], new, *items[index:]]
    items[index] = _with(items[index], rest, new, own[index])
    return items


@given(st.text())
def test_ids_are_safe(text: str) -> None:
    """Whatever stands in a manifest."""
    assert re.fullmatch(r"[!-~]*", safe(text))
    assert "::" not in safe(text)
