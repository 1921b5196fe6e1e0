"""Services, instances, and the endpoints between them, from Kubernetes manifests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.errors import ResourceError
from meshtest.resources.manifest import read_objects, read_text
from meshtest.topology.default import default_topology
from meshtest.topology.endpoint import Locality
from meshtest.topology.topology import Topology, topology


def read(text: str) -> Topology:
    """The topology in a text."""
    return topology(read_text(text, "f.yaml"))


def deployment(
    name: str = "web",
    more: str = "",
    kind: str = "Deployment",
    labels: str = "{app: web, version: v1}",
    metadata: str = "",
) -> str:
    """A Deployment whose pods serve port 8080 by the name `http`."""
    return f"""---
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}}}
spec:
  {more}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {labels}, {metadata}}}
    spec:
      containers:
      - name: c
        ports: [{{name: http, containerPort: 8080}}, {{containerPort: 9090}}]
        env: [{{name: A, value: b}}, {{name: SECRET, valueFrom: {{}}}}]
"""


def pod(name: str, labels: str = "{app: web}", more: str = "") -> str:
    """A Pod."""
    return f"---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {labels}}}\n{more}\n"


SERVICE = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}\n"


def test_bookinfo() -> None:
    """Without manifests there is Bookinfo, and an ingress gateway."""
    made = default_topology([])
    assert set(made.names) == {
        "productpage-v1",
        "details-v1",
        "ratings-v1",
        "reviews-v1",
        "reviews-v2",
        "reviews-v3",
        "istio-ingressgateway",
    }
    assert [name for name, instances in made.names.items() if instances[0].gateway] == ["istio-ingressgateway"]
    assert len({instance.address for instance in made.instances}) == len(made.instances)


def test_own_manifests(tmp_path: Path) -> None:
    """Given manifests take Bookinfo's place; a gateway of their own takes Istio's."""
    (tmp_path / "web.yaml").write_text(SERVICE + deployment())
    assert set(default_topology([tmp_path]).names) == {"web", "istio-ingressgateway"}
    assert set(default_topology([tmp_path], gateways=False).names) == {"web"}
    (tmp_path / "edge.yaml").write_text(
        deployment("edge", labels="{app: edge}", metadata="annotations: {inject.istio.io/templates: gateway}")
    )
    assert set(default_topology([tmp_path]).names) == {"web", "edge"}


def test_instances_of_deployments() -> None:
    """A Deployment has as many instances as replicas, named as Kubernetes would and always the same."""
    made = read(deployment(more="replicas: 3"))
    names = [each.name for each in made.instances]
    assert len(set(names)) == 3
    assert all(name.startswith("web-") and len(name) == len("web-") + 10 + 1 + 5 for name in names)
    assert names == [each.name for each in read(deployment(more="replicas: 3")).instances]
    (one, *_) = made.instances
    assert (one.workload, one.app, one.version, one.ports, one.env) == (
        "web",
        "web",
        "v1",
        {"http": 8080},
        {"A": "b", "SECRET": ""},
    )
    assert read(deployment(more="replicas: 0")).instances == ()
    assert [each.name for each in read(deployment(kind="StatefulSet", more="replicas: 2")).instances] == [
        "web-0",
        "web-1",
    ]


def test_pods() -> None:
    """A Pod is an instance, its workload named after its labels; it stands in for the Deployment that wants it."""
    made = read(
        deployment()
        + pod("web-1", "{app: web, version: v1}", "status: {podIP: 10.1.0.9}")
        + pod("bare", "{}")
        + pod("app-only", "{app: alone}")
    )
    assert [(each.name, each.workload) for each in made.instances] == [
        ("web-1", "web-v1"),
        ("bare", "bare"),
        ("app-only", "alone"),
    ]
    assert made.instances[0].address == "10.1.0.9"


@pytest.mark.parametrize(
    ("phase", "counts"), [("Running", True), ("Pending", True), ("Succeeded", False), ("Failed", False)]
)
def test_pods_that_have_ended(phase: str, counts: bool) -> None:
    """A Pod that has ended is no instance."""
    assert bool(read(pod("a", more=f"status: {{phase: {phase}}}")).instances) is counts


def test_endpoints() -> None:
    """Behind a port of a Service are the instances it selects in its namespace, at the target port, by number or name."""
    made = read(
        SERVICE
        + deployment(more="replicas: 2")
        + pod("stranger", "{app: web}").replace("name: stranger", "name: stranger, namespace: other")
    )
    (service,) = made.services
    (port,) = service.ports
    assert [(each.address, each.port) for each in made.endpoints(service, port)] == [
        (each.address, 8080) for each in made.instances if each.namespace == "default"
    ]


def test_a_name_that_no_container_has() -> None:
    """A target port by a name that an instance has not leads nowhere."""
    made = read(SERVICE.replace("targetPort: http", "targetPort: admin") + deployment())
    assert made.endpoints(made.services[0], made.services[0].ports[0]) == []


def test_names_in_several_namespaces() -> None:
    """A workload whose name stands in several namespaces carries its own, but for the default one."""
    other = deployment().replace("metadata: {name: web}", "metadata: {name: web, namespace: other}")
    assert set(read(deployment() + other).names) == {"web", "web.other"}


NODE = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1, labels: {topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z, topology.istio.io/subzone: s}}\n"


def test_localities() -> None:
    """An instance is where its node is, or where its label says."""
    made = read(NODE + pod("a", more="spec: {nodeName: n1}") + pod("b", "{istio-locality: r2.z2}") + pod("c"))
    assert [made.locality(each) for each in made.instances] == [
        Locality("r", "z", "s"),
        Locality("r2", "z2"),
        Locality(),
    ]


@pytest.mark.parametrize("label", ["r", "r.z", "r.z.s", "r.z.s.t", "", "..."])
def test_labels_of_locality(label: str) -> None:
    """Any label has three parts, some perhaps empty."""
    (each,) = (made := read(pod("a", f"{{istio-locality: '{label}'}}"))).instances
    where = made.locality(each)
    assert (where.region, where.zone, where.sub_zone) == (*label.split("."), "", "", "")[:3]


def test_kinds_that_do_not_matter_are_passed_over() -> None:
    """What describes no topology is not looked at, however it is formed."""
    text = "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: a, labels: [x]}\nspec: 5\n---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: []\n"
    assert read(text).services == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SERVICE + SERVICE, "f.yaml:7: Service default/web is given twice, first at f.yaml:2"),
        (
            deployment(more="replicas: 101"),
            "f.yaml:6: Deployment default/web spec.replicas: must be from 0 to 100; this is 101",
        ),
        (deployment(more="replicas: many"), "must be a whole number; this is the text 'many'"),
        (deployment(labels="[a]"), "spec.template.metadata.labels: must be a mapping; this is a list"),
        (
            deployment(labels="{version: 1}"),
            "spec.template.metadata.labels.version: must be a text; this is the number 1 to YAML: put it in quotes",
        ),
        (
            deployment().replace("apps/v1", "app/v1"),
            "apiVersion: there is no Deployment in 'app/v1'; did you mean 'apps/v1'?",
        ),
        (
            deployment().replace("containerPort: 8080", "containerPort: x"),
            "spec.template.spec.containers[0].ports[0].containerPort: must be a whole number",
        ),
        (pod("a", more="spec: []"), "f.yaml:5: Pod default/a spec: must be a mapping; this is a list"),
        (pod("a", more="status: {podIP: here}"), "status.podIP: must be an IP address"),
        (pod("Upper"), "metadata.name: must be of small letters"),
        (pod("a", "{a: true}"), "metadata.labels.a: must be a text; this is the boolean true"),
    ],
)
def test_wrong_objects(text: str, said: str) -> None:
    """What Kubernetes refuses is refused with file, line and path."""
    with pytest.raises(ResourceError) as caught:
        read(text)
    assert said in str(caught.value)


KEYS = st.sampled_from(
    [
        "ports",
        "port",
        "name",
        "targetPort",
        "selector",
        "labels",
        "metadata",
        "spec",
        "template",
        "containers",
        "env",
        "replicas",
        "status",
        "podIP",
        "data",
        "mesh",
        "app",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(
    [
        ("v1", "Service"),
        ("v1", "Pod"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("v1", "Node"),
        ("v1", "ConfigMap"),
    ]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(KINDS, VALUES, VALUES, VALUES, st.dictionaries(st.sampled_from(["labels", "annotations"]), VALUES))
def test_any_object_is_read_or_refused(
    kind: tuple[str, str], spec: Any, status: Any, data: Any, metadata: dict[str, Any]
) -> None:
    """Whatever stands in an object of a kind that matters, the outcome is a topology or a ResourceError."""
    given_object = {
        "apiVersion": kind[0],
        "kind": kind[1],
        "metadata": {**metadata, "name": "istio", "namespace": "istio-system"},
        "spec": spec,
        "status": status,
        "data": data,
    }
    try:
        made = topology(read_objects([given_object]))
    except ResourceError as error:
        assert "object 1" in str(error)
    else:
        assert all(made.endpoints(service, port) is not None for service in made.services for port in service.ports)
        assert all(isinstance(made.locality(each), Locality) for each in made.instances)


def test_instances_that_are_not_ready() -> None:
    """A Service leaves them out, unless it publishes addresses that are not ready."""
    spec = "selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]"
    services = "".join(
        f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{{spec}{more}}}\n"
        for name, more in (("web", ""), ("peers", ", publishNotReadyAddresses: true"))
    )
    found = read(deployment(more="replicas: 2") + services)
    first, second = (each.address for each in found.instances)
    unready = replace(found, unready=frozenset({first}))
    behind = {
        each.name: [endpoint.address for endpoint in unready.endpoints(each, each.ports[0])] for each in found.services
    }
    assert behind == {"web": [second], "peers": [first, second]}
    assert [each.address for each in unready.ready] == [second]
