"""ServiceEntries, WorkloadEntries and WorkloadGroups: what istiod takes and what it refuses."""

from __future__ import annotations

import pytest

from tests.resources.problems import problems, refused, resource, wrong

HOST = "hosts: [a.example.com]"
PORT = "ports: [{number: 443, name: tls, protocol: TLS}]"


@pytest.mark.parametrize(
    "spec",
    [
        f"{HOST}\n{PORT}",
        f"{HOST}\n{PORT}\nresolution: DNS\nlocation: MESH_EXTERNAL",
        f"{HOST}\n{PORT}\nresolution: DNS\nendpoints: [{{address: b.example.com, ports: {{tls: 8443}}, weight: 2}}]",
        f"{HOST}\n{PORT}\nresolution: STATIC\nendpoints: [{{address: 10.0.0.1, locality: a/b/c}}, {{network: net}}]",
        f"{HOST}\n{PORT}\nresolution: STATIC\nworkloadSelector: {{labels: {{app: a}}}}",
        f"{HOST}\nports: [{{number: 80, name: a}}]\naddresses: [10.0.0.0/8, 10.1.1.1]",
        "hosts: ['*.example.com', b.example.com]\nports: [{number: 9, name: a, protocol: tcp}]\nexportTo: ['~']",
        "hosts: [a.com, b.com]\nresolution: DNS\nports: [{number: 80, name: a, protocol: http}]\nexportTo: [., other]",
    ],
)
def test_right_service_entries(spec: str) -> None:
    """In what istiod takes, nothing is called wrong."""
    assert wrong(resource("ServiceEntry", spec)) == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("ports: []", "spec: the field 'hosts' is missing"),
        ("hosts: []", "spec.hosts: must have at least 1 item"),
        ("hosts: ['*']", "spec.hosts[0]: must name a host"),
        ("hosts: [10.0.0.1]", "spec.hosts[0]: is no host name"),
        (f"{HOST}\nresolution: HTTP", "spec.resolution: must be one of NONE, STATIC, DNS"),
        (f"{HOST}\naddresses: [10.0.0.0/33]", "spec.addresses[0]: must end in a number of bits, /0 to /32"),
        (f"{HOST}\nresolution: DNS\naddresses: [10.0.0.0/8]", "spec.addresses[0]: a range of addresses is allowed for"),
        (f"{HOST}\nendpoints: []", "spec.endpoints: cannot be given for the resolution NONE"),
        (f"{HOST}\nworkloadSelector: {{}}\nendpoints: []", "'endpoints' and 'workloadSelector' exclude each other"),
        (
            f"{HOST}\nresolution: STATIC\nendpoints: [{{address: b.com}}]",
            "must be an IP address where the resolution is",
        ),
        (f"{HOST}\nresolution: STATIC\nendpoints: [{{}}]", "spec.endpoints[0]: the field 'address' is missing"),
        (f"{HOST}\nresolution: STATIC\nendpoints: [{{address: 1.1.1.1, ports: {{x: 1}}}}]", "there are: none"),
        (
            f"{HOST}\nresolution: DNS\nendpoints: [{{network: net}}]",
            "spec.endpoints[0].address: must be an IP address or",
        ),
        ("hosts: ['*.a.com']\nresolution: DNS", "spec.hosts[0]: '*.a.com' cannot be looked up in DNS"),
        (f"{HOST}\nresolution: DNS_ROUND_ROBIN\nendpoints: [{{address: a}}, {{address: b}}]", "takes one endpoint"),
        (
            f"{HOST}\nports: [{{number: 80, name: a}}, {{number: 80, name: b}}]",
            "spec.ports[1].number: the number 80 is",
        ),
        (f"{HOST}\nports: [{{number: 80, name: a}}, {{number: 81, name: a}}]", "spec.ports[1].name: the name 'a' is"),
        (f"{HOST}\nports: [{{number: 0, name: a}}]", "spec.ports[0].number: must be from 1 to 65535"),
        (f"{HOST}\nports: [{{number: 80, name: a_b}}]", "spec.ports[0].name: must be letters, digits"),
        (f"{HOST}\nports: [{{number: 80, name: a, protocol: HTTPX}}]", "did you mean 'HTTP"),
        ("hosts: [a.com, b.com]\nresolution: DNS\nports: [{number: 80, name: a}]", "2 hosts cannot share a port"),
        (f"{HOST}\nresolution: DYNAMIC_DNS", "spec.hosts[0]: must begin with a wildcard"),
        (f"{HOST}\nexportTo: ['~', a]", "spec.exportTo[0]: '~' stands beside"),
        (f"{HOST}\nworkloadSelector: {{labels: {{a: b*}}}}", "without wildcards"),
        (f"{HOST}\nresolution: STATIC\n{PORT}\nendpoints: [{{address: 'unix:///a', ports: {{tls: 1}}}}]", "no ports"),
        (
            f"{HOST}\nresolution: STATIC\n{PORT}\nendpoints: [{{address: 'unix://a'}}]",
            "must be unix:// and the absolute",
        ),
    ],
)
def test_wrong_service_entries(spec: str, said: str) -> None:
    """What istiod refuses is refused, with its cause."""
    (found,) = problems(resource("ServiceEntry", spec))
    assert said in found


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (f"hosts: ['*.a.com']\nresolution: DYNAMIC_DNS\n{PORT}", ["spec.resolution"]),
        (
            f"{HOST}\nresolution: STATIC\n{PORT}\nendpoints: [{{address: 'unix:///a'}}]",
            ["spec.endpoints[0].address"],
        ),
    ],
)
def test_what_is_not_implemented(spec: str, fields: list[str]) -> None:
    """Lookups per request and Unix sockets are refused by name."""
    assert refused(resource("ServiceEntry", spec)) == fields


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("address: 10.0.0.1", ""),
        ("address: a.b.c\nlabels: {app: a}\nserviceAccount: s", ""),
        ("network: net", ""),
        ("ports: {http: 80}", "the field 'address' is missing"),
        ("address: 10.0.0.1\nports: {http: 0}", "spec.ports.http: must be from 1 to 65535"),
        (f"address: 10.0.0.1\nports: {{{'a' * 63}: 80}}", "must have at most 62 characters"),
        ("address: '*.a'", "spec.address: must be an IP address or a host name without wildcards"),
        ("address: 10.0.0.1\nweight: -1", "spec.weight: must be from 0 to"),
        ("adress: 10.0.0.1", "did you mean 'address'?"),
    ],
)
def test_workload_entries(spec: str, said: str) -> None:
    """An entry has an address, or stands in a network."""
    text = resource("WorkloadEntry", spec)
    assert any(said in each for each in problems(text)) if said else not wrong(text)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("template: {}", ""),
        (
            "metadata: {labels: {app: a}}\ntemplate: {serviceAccount: a, ports: {http: 80}}\nprobe: {tcpSocket: {port: 80}}",
            "",
        ),
        ("metadata: {}", "the field 'template' is missing"),
        ("template: {}\nprobe: {}", "spec.probe: must say how to probe"),
        ("template: {}\nprobe: {grpc: {port: 80}}", "istiod does not accept a probe by gRPC"),
        ("template: {}\nprobe: {exec: {command: []}}", "must have at least 1 item"),
        ("template: {}\nprobe: {httpGet: {port: 80}, exec: {command: [a]}}", "exclude each other"),
        ("template: {}\nprobe: {httpGet: {port: 80, scheme: http}}", "did you mean 'HTTP'?"),
        ("template: {}\nprobe: {periodSeconds: -1, tcpSocket: {port: 80}}", "must be from 0"),
    ],
)
def test_workload_groups(spec: str, said: str) -> None:
    """A group has a template, and a probe one way to probe."""
    text = resource("WorkloadGroup", spec)
    assert any(said in each for each in problems(text)) if said else not wrong(text)
