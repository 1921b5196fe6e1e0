"""Where requests enter and leave, and what of a rule's destinations does not exist."""

from __future__ import annotations

import re

import pytest

from meshtest.errors import MeshError
from meshtest.meshes.call import call_of
from meshtest.meshes.destinations import destinations
from meshtest.meshes.entrance import entrance
from meshtest.meshes.local.exit import listener_for
from meshtest.meshes.local.ground import ground
from meshtest.meshes.local.grounds import Grounds
from meshtest.traffic.request import GET
from meshtest.translate.proxy_config import translate
from meshtest.translate.snapshot import Proxy
from tests.meshes.places import Written, placed
from tests.translate.snapshots import (
    GATEWAY,
    GATEWAY_NAME,
    REVIEWS,
    SUBSETS,
    destination_rule,
    gateway,
    snapshot,
    topology,
    virtual_service,
)

TO = "- route: [{destination: {host: reviews}}]"
HTTP = "port: {number: 80, name: http, protocol: HTTP}"


def enter(text: str, target: str) -> tuple[int, str]:
    """The proxy's port for a request from outside, and its Host."""
    given = snapshot(text)
    what = call_of(target if "://" in target and not target.startswith("http") else GET(target))
    server, host = entrance(given, Proxy(given.topology.names[GATEWAY_NAME][0]), what)
    return server.target, host


def bound(hosts: str, name: str = "it") -> str:
    """A VirtualService bound to the gateway."""
    return virtual_service(TO, hosts, name, "gateways: [edge]")


@pytest.mark.parametrize(
    ("servers", "hosts", "host"),
    [
        ("['*']", "['*']", "ingress"),
        ("['*']", "[a.b]", "a.b"),
        ("[a.b]", "['*']", "a.b"),
        ("[a.b, c.d]", "[c.d]", "c.d"),
        ("['*.b']", "[x.y, c.b]", "c.b"),
        ("['*.b']", "['*.b']", "ingress.b"),
        ("['*.b']", "['*']", "ingress.b"),
        ("[a.b]", "[c.d]", "a.b"),
        ("['./a.b']", "['*']", "a.b"),
    ],
)
def test_the_host_to_ask_for(servers: str, hosts: str, host: str) -> None:
    """A request without a host asks for one that the server takes and a rule decides, if there is one."""
    assert enter(gateway(f"[{{{HTTP}, hosts: {servers}}}]") + bound(hosts), "/") == (8080, host)


def test_the_port_to_enter() -> None:
    """The server is found by the port of the URL; without one it is the first, and of a URL it is 80."""
    text = gateway(
        f"[{{port: {{number: 8081, name: first, protocol: HTTP}}, hosts: ['*']}}, {{{HTTP}, hosts: ['*']}}]"
    ) + bound("['*']")
    assert enter(text, "/") == (8081, "ingress")
    assert enter(text, "http://a.b/") == (8080, "a.b")
    assert enter(text, "http://a.b:8081/") == (8081, "a.b:8081")
    with pytest.raises(
        MeshError, match=r"no server of an applied Gateway listens on port 9999.* there are servers on 80, 8081"
    ):
        enter(text, "http://a.b:9999/")
    with pytest.raises(MeshError, match="no Gateway is applied that selects it"):
        enter("", "/")


def test_the_scheme_chooses_among_servers() -> None:
    """TLS asks for port 443 where no other is written, and plain requests may go to a port of TLS, to be turned away there."""
    https = "port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: a}"
    tcp = "port: {number: 31400, name: tcp, protocol: TCP}"
    text = gateway(f"[{{{HTTP}, hosts: ['*']}}, {{{https}, hosts: [a.b]}}, {{{tcp}, hosts: ['*']}}]") + bound("['*']")
    assert enter(text, "https://a.b/") == (8443, "a.b")
    assert enter(text, "http://a.b:443/") == (8443, "a.b:443")
    assert enter(text, "tcp://x:31400") == (31400, "x:31400")
    assert enter(text, "/") == (8080, "ingress")
    with pytest.raises(MeshError, match=r"port 444, which tls://a.b:444 asks for; there are servers on 80, 443, 31400"):
        enter(text, "tls://a.b:444")
    with pytest.raises(MeshError, match=r"no server .* in the clear \(there are HTTPS on 443\): .* a whole URL"):
        enter(gateway(f"[{{{https}, hosts: [a.b]}}]"), "/")


def test_servers_at_several_addresses() -> None:
    """Of servers that share a port at several addresses the one that speaks as the caller does, and takes its host, is entered."""
    servers = ", ".join(
        f"{{port: {{number: 443, name: s{n}, protocol: HTTPS}}, bind: 10.0.0.{n}, tls: {{mode: SIMPLE, credentialName: a}}, hosts: ['{host}']}}"
        for n, host in enumerate(("a.b", "*.c"), 1)
    )
    given = snapshot(gateway(f"[{servers}]"))
    proxy = Proxy(given.topology.names[GATEWAY_NAME][0])
    binds = {url: entrance(given, proxy, call_of(url))[0].bind for url in ("tls://a.b", "tls://x.c:443", "tls://other")}
    assert binds == {"tls://a.b": "10.0.0.1", "tls://x.c:443": "10.0.0.2", "tls://other": "10.0.0.1"}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("tcp://reviews", "needs a port: tcp://reviews:9000"),
        ("udp://reviews:53", "is no URL of a host"),
        ("reviews:9080", "is no URL of a host"),
        ("tcp://:9000", "is no URL of a host"),
        ("tls://a:b", "is not a number from 0 to 65535"),
        ("tls://a:70000", "is not a number from 0 to 65535"),
    ],
)
def test_calls_that_are_not_understood(url: str, said: str) -> None:
    """A URL that says no host or port is a ValueError that shows it."""
    with pytest.raises(ValueError, match=re.escape(said)):
        call_of(url)


def test_calls() -> None:
    """The host of a call is compared in small letters and without a dot at its end; an address is not asked for in TLS."""
    call = call_of("tls://WWW.Example.COM.:8443")
    assert (call.host, call.port, call.server_name, call.encrypted) == (
        "www.example.com",
        8443,
        "www.example.com",
        True,
    )
    assert (call_of("https://10.0.0.1").server_name, call_of("https://10.0.0.1").port) == ("", 443)
    assert (call_of(GET("/a")).authority, call_of(GET("/a")).host) == (None, "")
    assert call_of("tcp://[::1]:9000").host == "::1"


MORE = """
apiVersion: v1
kind: Service
metadata: {name: guess}
spec: {clusterIP: 10.0.0.83, selector: {app: reviews}, ports: [{name: anything, port: 7000}]}
---
apiVersion: v1
kind: Service
metadata: {name: lines}
spec: {clusterIP: 10.0.0.84, selector: {app: reviews}, ports: [{name: tcp, port: 7001}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: data}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}, {name: http, port: 8008}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: data}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: a, image: a}]}}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {clusterIP: None, selector: {app: nobody}, ports: [{name: tcp, port: 1}]}
"""

ENTRIES = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: at-an-address}
spec: {hosts: [db.example.com], addresses: [192.0.2.7], ports: [{number: 3306, name: mysql, protocol: TCP}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ranges}
spec: {hosts: [net.example.com], addresses: [198.51.100.0/24, 198.51.100.128/25], ports: [{number: 9000, name: tcp, protocol: TCP}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: anywhere}
spec: {hosts: ['*.wiki.org'], ports: [{number: 443, name: tls, protocol: TLS}, {number: 80, name: http, protocol: HTTP}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: it}
spec:
  workloadSelector: {labels: {app: details}}
  egress:
  - {port: {number: 9080, name: own, protocol: HTTP}, bind: 127.0.0.1, hosts: ['./reviews.default.svc.cluster.local']}
  - {hosts: ['./ratings.default.svc.cluster.local', 'data/*']}
"""


def leave(url: str, workload: str = "productpage-v1", text: str = ENTRIES) -> str:
    """The listener for a call from a workload."""
    given = snapshot(text, MORE)
    sites = placed(given.topology)
    instance = given.topology.names[workload][0]
    config = translate(given, Proxy(instance))
    grounds = Grounds(given, config, sites.by_address[instance.address], sites, lambda name: None, Written())
    listener = listener_for(grounds, call_of(url))
    assert listener in ground(grounds).listeners, "no call goes where nothing listens"
    return listener


@pytest.mark.parametrize(
    ("url", "listener"),
    [
        ("http://reviews:9080", "0.0.0.0_9080"),
        ("http://REVIEWS.default:9080", "0.0.0.0_9080"),
        ("http://reviews.default.svc.cluster.local.:9080", "0.0.0.0_9080"),
        ("http://example.com:9080", "0.0.0.0_9080"),
        ("http://example.com", "0.0.0.0_80"),
        ("http://example.com:1234", "virtualOutbound"),
        ("tcp://example.com:1234", "virtualOutbound"),
        # an address of its own, by each of its names
        *(
            (f"tcp://{host}:7000", "10.0.0.83_7000")
            for host in ("guess", "10.0.0.83", "guess.default.svc", "Guess.default")
        ),
        ("tcp://lines:7001", "10.0.0.84_7001"),
        ("tcp://example.com:7001", "virtualOutbound"),
        # hosts of ServiceEntries, their addresses, and what lies in their ranges
        ("tcp://db.example.com:3306", "192.0.2.7_3306"),
        ("tcp://192.0.2.7:3306", "192.0.2.7_3306"),
        ("tcp://192.0.2.8:3306", "virtualOutbound"),
        ("tcp://198.51.100.1:9000", "0.0.0.0_9000 198.51.100.0/24"),
        ("tcp://198.51.100.200:9000", "0.0.0.0_9000 198.51.100.128/25"),
        ("tcp://net.example.com:9000", "0.0.0.0_9000 198.51.100.0/24"),
        ("tcp://203.0.113.1:9000", "0.0.0.0_9000"),
        ("tls://en.wiki.org", "0.0.0.0_443"),
        ("https://other.org", "0.0.0.0_443"),
        ("http://en.wiki.org", "0.0.0.0_80"),
        # a Service without an address: its pods
        ("tcp://headless.data:5432", "POD0_5432"),
        ("tcp://db-1.headless.data:5432", "POD1_5432"),
        ("tcp://db-1.headless.data.svc.cluster.local:5432", "POD1_5432"),
        ("http://headless.data:8008", "0.0.0.0_8008"),
    ],
)
def test_the_way_out(url: str, listener: str) -> None:
    """A call leaves through the listener of its destination's address, else of its port, else of the rest."""
    pods = [each.address for each in topology(MORE).names["db"]]
    assert leave(url) == listener.replace("POD0", pods[0]).replace("POD1", pods[1])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "http://reviews:80",
            "the Service reviews.default.svc.cluster.local has no port 80, and no rule takes the call; it has 9080",
        ),
        ("tcp://reviews:1234", "has no port 1234"),
        ("tcp://nobody:1", "no instance stands behind nobody.default.svc.cluster.local"),
        ("tcp://localhost:9080", "nothing listens there"),
        ("http://db-1.headless.data:8008", "a pod is called at its own address"),
        ("http://POD0:9080", "a pod is called at its own address"),
    ],
)
def test_calls_that_would_arrive_in_a_cluster(url: str, said: str) -> None:
    """What would arrive within the mesh without a rule, and cannot here, is not answered by a stand-in for the world outside."""
    with pytest.raises(ValueError, match=re.escape(said)):
        leave(url.replace("POD0", topology(MORE).names["db"][0].address))


def test_the_way_out_with_a_sidecar() -> None:
    """What a Sidecar leaves out is let through to where it is; what it binds is called there."""
    details = "details-v1"
    assert leave("http://localhost:9080", details) == "127.0.0.1_9080"
    assert leave("http://127.0.0.1:9080", details) == "127.0.0.1_9080"
    for name in ("ratings", "reviews"):  # the routes tell apart which of them it knows
        assert leave(f"http://{name}:9080", details) == "0.0.0.0_9080"
    assert leave("tcp://lines:7001", details) == "virtualOutbound 10.0.0.84_7001"
    assert leave("tcp://guess:7000", details) == "virtualOutbound 10.0.0.83_7000"
    with pytest.raises(ValueError, match="nothing listens there"):
        leave("http://localhost:9081", details)


def test_the_way_out_where_nothing_else_is_allowed() -> None:
    """REGISTRY_ONLY: a call to what is not known leaves all the same, and is blocked on its way."""
    blocked = "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: it}\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ['./ratings.default.svc.cluster.local']}]}\n"
    assert leave("http://reviews:9080", text=blocked) == "0.0.0.0_9080"
    assert leave("tcp://lines:7001", text=blocked) == "virtualOutbound"
    assert leave("http://reviews:1234", text=blocked) == "virtualOutbound"


def missing(text: str, **clusters: int) -> list[str]:
    """What is missing of destinations (PORT_SUBSET_HOST) as the ingress gateway sees them."""
    given = snapshot(text)
    made = translate(given, Proxy(given.topology.names[GATEWAY_NAME][0]))
    names = {
        "outbound|{}|{}|{}.default.svc.cluster.local".format(*name[1:].split("_")): weight
        for name, weight in clusters.items()
    }
    return [each.missing for each in destinations(given, made, names)]


def test_shares() -> None:
    """Weights become shares of all."""
    given = snapshot(GATEWAY + SUBSETS)
    made = translate(given, Proxy(given.topology.names[GATEWAY_NAME][0]))
    found = destinations(given, made, {f"outbound|9080|v1|{REVIEWS}": 1, f"outbound|9080|v2|{REVIEWS}": 3})
    assert [(each.host, each.subset, each.share, each.missing) for each in found] == [
        (REVIEWS, "v1", 0.25, ""),
        (REVIEWS, "v2", 0.75, ""),
    ]
    assert str(found[1]) == "reviews v2 75 %"


def test_what_is_missing() -> None:
    """A destination that does not exist is explained: Service, port, subset, pods."""
    assert missing(SUBSETS, p9080_v1_reviews=1) == [""]
    assert (
        "there is no Service review.default.svc.cluster.local; did you mean 'reviews'?"
        in missing("", p9080__review=1)[0]
    )
    assert missing("", p80__reviews=1) == [f"the Service {REVIEWS} has no port 80; it has 9080"]
    assert "no DestinationRule in force defines subsets" in missing("", p9080_v1_reviews=1)[0]
    said = missing(SUBSETS, p9080_v11_reviews=1)[0]
    assert said.startswith(f"no subset 'v11' of {REVIEWS} is defined (at test.yaml:8: v1, v2, v3); did you mean 'v1'?")
    unlabelled = destination_rule("host: reviews\nsubsets: [{name: v4, labels: {version: v4}}]")
    said = missing(unlabelled, p9080_v4_reviews=1)[0]
    assert said.startswith(
        "no instance has the labels {'version': 'v4'} of subset 'v4' (at test.yaml:7); instances of reviews have"
    )


OUTSIDE = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: dns}
spec: {hosts: [dns.org], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS, endpoints: [{address: a.dns.org, labels: {version: v1}}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: none}
spec: {hosts: [none.org], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: hidden, namespace: other}
spec: {hosts: [hidden.org], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS, exportTo: [.]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: dns}
spec: {host: dns.org, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
"""


@pytest.mark.parametrize(
    ("proxy", "cluster", "said"),
    [
        ("productpage-v1", "outbound|80||dns.org", ""),
        ("productpage-v1", "outbound|80|v1|dns.org", ""),
        ("productpage-v1", "outbound|80||none.org", ""),
        (GATEWAY_NAME, "outbound|80||none.org", "a gateway has no original destination to go on to, as none.org wants"),
        (
            "productpage-v1",
            "outbound|80|v2|dns.org",
            "no instance has the labels {'version': 'v2'} of subset 'v2' (at test.yaml:20); instances of dns have",
        ),
        ("productpage-v1", "outbound|81||dns.org", "the Service dns.org has no port 81; it has 80"),
        ("productpage-v1", "outbound|80||hidden.org", "hidden.org is hidden from this proxy"),
        ("productpage-v1", "outbound|80||unknown.org", "a ServiceEntry names a host outside"),
    ],
)
def test_destinations_outside(proxy: str, cluster: str, said: str) -> None:
    """Hosts of ServiceEntries are destinations too, whichever way they are found."""
    given = snapshot(OUTSIDE)
    made = translate(given, Proxy(given.topology.names[proxy][0]))
    ((missing,),) = [[each.missing] for each in destinations(given, made, {cluster: 1})]
    assert (said in missing) if said else not missing


def test_rules_that_do_not_count() -> None:
    """A subset that only a rule out of sight defines is told from one that nobody defines."""
    hidden = destination_rule("host: reviews.default.svc.cluster.local\nsubsets: [{name: v1}]", namespace="team-a")
    assert "by a rule that does not count here" in missing(hidden, p9080_v1_reviews=1)[0]
    other = destination_rule("host: reviews\nsubsets: [{name: v1}]", namespace="team-a")
    assert "no DestinationRule in force defines subsets" in missing(other, p9080_v1_reviews=1)[0]
