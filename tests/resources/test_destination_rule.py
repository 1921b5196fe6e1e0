"""What a DestinationRule may say: Istio's own checks, with line, path and cause."""

from __future__ import annotations

import pytest

from tests.resources.problems import problems, refused, resource, spec


def policy(text: str) -> str:
    """A DestinationRule for reviews with this traffic policy."""
    return resource("DestinationRule", f"host: reviews\ntrafficPolicy: {{{text}}}")


def test_all_fields_are_taken() -> None:
    """A DestinationRule that uses each implemented field is accepted."""
    full = """
host: reviews
exportTo: [".", other]
trafficPolicy:
  loadBalancer: {simple: LEAST_REQUEST, warmup: {duration: 10s, minimumPercent: null, aggression: 1.5}}
  connectionPool:
    tcp: {maxConnections: 1, connectTimeout: 30ms, tcpKeepalive: {probes: 3, time: 7200s, interval: 75s}, maxConnectionDuration: 1h, idleTimeout: 0s}
    http:
      http1MaxPendingRequests: 1
      http2MaxRequests: 1
      maxRequestsPerConnection: 1
      maxRetries: 1
      idleTimeout: 1m
      h2UpgradePolicy: DO_NOT_UPGRADE
      useClientProtocol: true
      maxConcurrentStreams: 5
      http2KeepAlive: {interval: 1s, timeout: 1s}
  outlierDetection:
    consecutive5xxErrors: null
    consecutiveGatewayErrors: 0
    splitExternalLocalOriginErrors: true
    consecutiveLocalOriginFailures: 4
    interval: 1s
    baseEjectionTime: 3m
    maxEjectionPercent: 100
    minHealthPercent: 30
    outlierDetectionHttpErrorCodes: [429]
  retryBudget: {percent: 20.5, minRetryConcurrency: 3}
  portLevelSettings:
  - port: {number: 9080}
    loadBalancer: {consistentHash: {httpCookie: {name: user, ttl: 0s, path: /, attributes: [{name: SameSite, value: Lax}]}, maglev: {tableSize: 65537}}}
subsets:
- {name: v1, labels: {version: v1, app.kubernetes.io/name: a}}
- {name: v2, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 10}}}}}
- {name: v3, labels: {}}
"""
    read = spec(resource("DestinationRule", full))
    assert read["trafficPolicy"]["outlierDetection"]["baseEjectionTime"] == "180s"
    assert "consecutive5xxErrors" not in read["trafficPolicy"]["outlierDetection"]
    assert read["trafficPolicy"]["connectionPool"]["tcp"]["idleTimeout"] == "0s"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (resource("DestinationRule", "subsets: []"), "spec: the field 'host' is missing"),
        (resource("DestinationRule", "host: 10.0.0.1"), "spec.host: is no host name"),
        (
            policy(""),
            "5: DestinationRule default/it spec.trafficPolicy: must have at least one field".replace("5:", "6:", 1),
        ),
        (
            resource("DestinationRule", "host: a\ntrafficPolicy:"),
            "6: DestinationRule default/it spec.trafficPolicy: has no value (null)",
        ),
        (policy("connectionPool: {}"), "spec.trafficPolicy.connectionPool: must have at least one field"),
        (policy("conectionPool: {}"), "there is no field 'conectionPool' here; did you mean 'connectionPool'?"),
        (
            policy("loadBalancer: {simple: LEAST_CONNECTIONS}"),
            "this is the text 'LEAST_CONNECTIONS'; did you mean 'LEAST_CONN'?",
        ),
        (policy("loadBalancer: {simple: random}"), "did you mean 'RANDOM'?"),
        (
            policy("loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}"),
            "'consistentHash' and 'simple' exclude each other",
        ),
        (policy("loadBalancer: {consistentHash: {useSourceIp: true, httpHeaderName: a}}"), "exclude each other"),
        (policy("loadBalancer: {consistentHash: {httpCookie: {ttl: 1s}}}"), "the field 'name' is missing"),
        (policy("loadBalancer: {consistentHash: {httpCookie: {name: ''}}}"), "must not be empty"),
        (
            policy("loadBalancer: {consistentHash: {maglev: {tableSize: 100}}}"),
            "must be a prime number below 5000011; this is 100",
        ),
        (policy("loadBalancer: {consistentHash: {maglev: {}}}"), "must be a prime number below 5000011; this is 0"),
        (
            policy("loadBalancer: {consistentHash: {minimumRingSize: 5, ringHash: {}}}"),
            "'minimumRingSize' and 'ringHash' exclude each other",
        ),
        (policy("loadBalancer: {warmup: {}}"), "the field 'duration' is missing"),
        (policy("connectionPool: {tcp: {maxConnections: -1}}"), "must be from 0 to 2147483647; this is -1"),
        (policy("connectionPool: {tcp: {connectTimeout: 0s}}"), "must be a duration of at least 1ms"),
        (policy("connectionPool: {tcp: {idleTimeout: -5s}}"), "must be a duration of at least 1ms, or 0s"),
        (
            policy("connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}"),
            "cannot be true where h2UpgradePolicy is UPGRADE",
        ),
        (policy("outlierDetection: {maxEjectionPercent: 101}"), "must be from 0 to 100; this is 101"),
        (policy("outlierDetection: {interval: 0s}"), "must be a duration of at least 1ms"),
        (
            policy("outlierDetection: {consecutiveLocalOriginFailures: 3}"),
            "counts only with splitExternalLocalOriginErrors: true",
        ),
        (
            policy("outlierDetection: {consecutive5xxErrors: '5'}"),
            "must be a whole number; this is the text '5': take the quotes away",
        ),
        (policy("outlierDetection: {consecutiveErors: 5}"), "did you mean 'consecutiveErrors'?"),
        (policy("portLevelSettings: [{port: {number: 9080}}]"), "must say something about the port beside its number"),
        (policy("portLevelSettings: [{loadBalancer: {simple: RANDOM}}]"), "the field 'port' is missing"),
        (policy("retryBudget: {percent: 120}"), "must be from 0 to 100; this is 120"),
        (
            resource("DestinationRule", "host: a\nsubsets:\n- labels: {version: v1}"),
            "7: DestinationRule default/it spec.subsets[0]: the field 'name' is missing",
        ),
        (
            resource("DestinationRule", "host: a\nsubsets: [{name: v1}, {name: v1}]"),
            "spec.subsets[1].name: the subset 'v1' is defined twice",
        ),
        (resource("DestinationRule", "host: a\nsubsets: [{name: v1.0}]"), "spec.subsets[0].name: must be letters"),
        (
            resource("DestinationRule", "host: a\nsubsets: [{name: [v1]}]"),
            "spec.subsets[0].name: must be a text; this is a list",
        ),
        (
            resource("DestinationRule", "host: a\nsubsets: [{name: v1, labels: {version: 1.0}}]"),
            "spec.subsets[0].labels.version: must be a text; this is the number 1.0 to YAML: put it in quotes",
        ),
        (
            resource("DestinationRule", "host: a\nsubsets: [{name: v1, labels: {version: 'a b'}}]"),
            "is no value of a label: 'a b'",
        ),
        (
            resource("DestinationRule", "host: a\nsubsets: [{name: v1, lables: {version: v1}}]"),
            "did you mean 'labels'?",
        ),
        (
            resource("DestinationRule", "host: a\nworkloadSelector: {matchLabels: {a: b}}\nexportTo: ['*']"),
            "counts in its own namespace only",
        ),
        (policy("tls: {mode: MUTUAL, clientCertificate: a}"), "the mode MUTUAL needs a 'privateKey'"),
        (policy("tls: {mode: SIMPLE, credentialName: a, caCrl: b}"), "'caCrl' and 'credentialName' both say"),
        (policy("tls: {mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]}"), "by which nothing is verified"),
        (policy("tls: {mode: STRICT}"), "must be one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL"),
        (
            policy("tls: {credentialName: 'configmap://other/a'}"),
            "configmap://default/NAME; this is 'configmap://other/a'",
        ),
        (
            policy("portLevelSettings: [{port: {number: 1}, tls: {credentialName: 'configmap://a'}}]"),
            "spec.trafficPolicy.portLevelSettings[0].tls.credentialName: must name a ConfigMap",
        ),
        (
            policy("tunnel: {targetHost: '*.b', targetPort: 80}"),
            "spec.trafficPolicy.tunnel.targetHost: is no host name",
        ),
        (policy("tunnel: {targetHost: a, targetPort: 80}, proxyProtocol: {}"), "exclude each other"),
        (policy("portLevelSettings: []"), "must have at least one field"),
        (policy("connectionPool: {http: {http2KeepAlive: {interval: 1s}}}"), "the field 'timeout' is missing"),
        (policy("connectionPool: {tcp: {connectTimeout: 1.0005s}}"), "must be in whole milliseconds"),
        (policy("loadBalancer: {warmup: {duration: 1s, aggression: 0}}"), "must be above 0"),
        (policy("loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 50}}]}}"), "these make 50"),
        (policy("loadBalancer: {localityLbSetting: {distribute: [{from: a}]}}"), "the shares must add up to 100"),
        (policy("loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 0, c: 100}}]}}"), "from 1 to 100"),
        (
            policy("loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b/*: 50, b/c: 50}}]}}"),
            "'b/c' overlaps with 'b/*' before it",
        ),
        (
            policy("loadBalancer: {localityLbSetting: {failover: [{from: a, to: a}]}}"),
            "must name two different regions",
        ),
        (policy("loadBalancer: {localityLbSetting: {failover: [{from: a/b, to: c}]}}"), "must be one region"),
        (
            policy(
                "loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}], failoverPriority: [topology.kubernetes.io/zone]}}"
            ),
            "topology.kubernetes.io/zone and 'failover' exclude each other",
        ),
        (
            policy("loadBalancer: {zoneAwareLbSetting: {failoverPriority: [topology.kubernetes.io/zone]}}"),
            "zone-aware balancing looks at",
        ),
        (policy("loadBalancer: {zoneAwareLbSetting: {}, localityLbSetting: {}}"), "exclude each other"),
        (resource("DestinationRule", "host: a\nexportTo: [., default]"), "'default' is what `.` says already"),
        (
            resource("DestinationRule", "host: a\nexportTo: [b]\nworkloadSelector: {matchLabels: {app: a}}"),
            "counts in its own namespace only",
        ),
        (
            resource("DestinationRule", "host: a\nworkloadSelector: {matchLabels: {app: a*}}"),
            "has no meaning in a selector",
        ),
    ],
)
def test_what_is_wrong(text: str, said: str) -> None:
    """Each mistake is named with its place and its cause, and is the only thing complained of."""
    found = problems(text)
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (policy("tunnel: {targetHost: a.b, targetPort: 80}"), ["spec.trafficPolicy.tunnel"]),
        (policy("proxyProtocol: {version: V1}"), ["spec.trafficPolicy.proxyProtocol"]),
        (
            policy("loadBalancer: {consistentHash: {httpCookie: {name: a, ttl: -1s}}}"),
            ["spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl"],
        ),
        (policy("loadBalancer: {zoneAwareLbSetting: {}}"), ["spec.trafficPolicy.loadBalancer.zoneAwareLbSetting"]),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(text: str, fields: list[str]) -> None:
    """A sound field that the local mesh does not implement is refused, never ignored."""
    assert refused(text) == fields
