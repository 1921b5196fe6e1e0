"""From files and objects to checked resources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.errors import ResourceError
from meshtest.resources.document import MAX_BYTES
from meshtest.resources.manifest import SCHEMAS, check, is_istio, read_files, read_objects, read_text
from meshtest.resources.problem import WrongResources
from tests.resources.problems import problems, refused, resource, wrong

RULE = "hosts: [reviews]\nhttp: [{route: [{destination: {host: reviews}}]}]"


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("VirtualService", RULE),
        ("DestinationRule", "host: reviews"),
        ("Gateway", "servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]"),
    ],
)
def test_versions(kind: str, spec: str, version: str) -> None:
    """All versions that Istio serves are the same thing."""
    assert problems(resource(kind, spec, version=f"networking.istio.io/{version}")) == []


@pytest.mark.parametrize(
    ("kind", "version", "said"),
    [
        (
            "VirtualService",
            "networking.istio.io/v2",
            "1: VirtualService default/it apiVersion: there is no version 'networking.istio.io/v2'",
        ),
        ("VirtualService", "networking.istio.io/v1alpha1", "there is no version"),
        (
            "VirtualServices",
            "networking.istio.io/v1",
            "2: VirtualServices default/it kind: there is no kind 'VirtualServices' in networking.istio.io; did you mean 'VirtualService'?",
        ),
        ("Virtualservice", "networking.istio.io/v1", "did you mean 'VirtualService'?"),
        ("Teapot", "networking.istio.io/v1", "known are DestinationRule, EnvoyFilter, Gateway"),
        (
            "VirtualService",
            "networking.isto.io/v1",
            "1: VirtualService default/it apiVersion: there is no VirtualService in 'networking.isto.io/v1'; did you mean 'networking.istio.io/v1'?",
        ),
        ("VirtualService", "v1", "there is no VirtualService in 'v1'; did you mean 'networking.istio.io/v1'?"),
        ("VirtualService", "networking.istio.io", "did you mean 'networking.istio.io/v1'?"),
        (
            "DestinationRule",
            "security.istio.io/v1",
            "the kind DestinationRule is not in security.istio.io; did you mean 'networking.istio.io/v1'?",
        ),
    ],
)
def test_wrong_kinds_and_versions(kind: str, version: str, said: str) -> None:
    """What is not a kind of Istio's, but was meant to be, is named with what was meant."""
    (found,) = problems(resource(kind, RULE, version=version))
    assert said in found


@pytest.mark.parametrize(
    ("kind", "version", "spec"),
    [
        ("EnvoyFilter", "networking.istio.io/v1alpha3", "configPatches: []"),
        ("Telemetry", "telemetry.istio.io/v1", "accessLogging: [{disabled: true}]"),
        (
            "Gateway",
            "gateway.networking.k8s.io/v1",
            "gatewayClassName: istio\nlisteners: [{name: a, port: 80, protocol: HTTP}]",
        ),
        (
            "HTTPRoute",
            "gateway.networking.k8s.io/v1beta1",
            "parentRefs: [{name: a}]\nrules: [{backendRefs: [{name: a, port: 80}]}]",
        ),
    ],
)
def test_kinds_to_come_are_refused_by_name(kind: str, version: str, spec: str) -> None:
    """A kind that is not implemented is refused once it is right, with file and line."""
    text = resource(kind, spec, version=version)
    assert refused(text) == ["kind"]
    with pytest.raises(WrongResources) as caught:
        check(read_text(text, "f.yaml"))
    assert caught.value.problems[0].refusal == f"REFUSED {kind} default/it kind f.yaml:1"
    assert wrong(resource(kind, spec + "\nspecs: 1", version=version)) != []


@pytest.mark.parametrize(("kind", "version"), [("TCPRoute", "v1alpha2"), ("GRPCRoute", "v1beta1"), ("UDPRoute", "v2")])
def test_versions_that_are_not_served(kind: str, version: str) -> None:
    """A version that the CRD does not serve is named, with one that it does."""
    spec = "rules: [{backendRefs: [{name: a, port: 80}]}]"
    (found,) = wrong(resource(kind, spec, version=f"gateway.networking.k8s.io/{version}"))
    assert "use gateway.networking.k8s.io/v1" in found


@pytest.mark.parametrize(
    ("version", "kind", "istio"),
    [
        ("v1", "Service", False),
        ("apps/v1", "Deployment", False),
        ("networking.k8s.io/v1", "NetworkPolicy", False),
        ("networking.k8s.io/v1", "Ingress", False),
        ("serving.knative.dev/v1", "Service", False),
        ("gateway.solo.io/v1", "VirtualService", False),
        ("inference.networking.x-k8s.io/v1", "InferencePool", False),
        ("networking.istio.io/v1", "Anything", True),
        ("networking.istio.oi/v1", "Anything", True),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", True),
        ("v1", "DestinationRule", True),
    ],
)
def test_whose_kind_it_is(version: str, kind: str, istio: bool) -> None:
    """Istio's kinds, also misspelt ones, are told from those of others."""
    (found,) = read_objects([{"apiVersion": version, "kind": kind, "metadata": {"name": "a"}}])
    assert is_istio(found) is istio


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "f.yaml:1: a Kubernetes object is a mapping with apiVersion, kind and metadata; this is a list"),
        ("hello", "f.yaml:1: a Kubernetes object is a mapping"),
        ("a: b", "f.yaml:1: a Kubernetes object needs a kind and an apiVersion"),
        ("kind: [a]\napiVersion: v1", "needs a kind and an apiVersion, each a text"),
        ("\n\nkind: Service\napiVersion: v1", "f.yaml:3: Service has no metadata.name"),
        ("kind: Service\napiVersion: v1\nmetadata: []", "f.yaml:1: Service has no metadata.name"),
        (
            "kind: Service\napiVersion: v1\nmetadata:\n  name: y",
            "f.yaml:4: Service metadata.name: must be a text; this is the boolean true to YAML",
        ),
        (
            "kind: Service\napiVersion: v1\nmetadata:\n  name: a\n  namespace: 5",
            "f.yaml:5: Service a metadata.namespace: must be a text",
        ),
        ("kind: List\napiVersion: v1\nitems: {}", "f.yaml:3: the items of a List must be a list"),
        ("kind: List\napiVersion: v1\nitems:\n- a", "f.yaml:4: a Kubernetes object is a mapping"),
        (
            "kind: List\napiVersion: v1\nitems:\n- kind: List\n  apiVersion: v1\n  items:\n  - {kind: A}",
            "f.yaml:7: a Kubernetes object needs",
        ),
    ],
)
def test_what_is_no_object(text: str, said: str) -> None:
    """What is not a Kubernetes object is refused with file and line."""
    with pytest.raises(ResourceError) as caught:
        read_text(text, "f.yaml")
    assert said in str(caught.value)


def test_lists() -> None:
    """Items of Lists are read one by one, with their own lines; an empty List holds nothing."""
    text = f"""apiVersion: v1
kind: List
items:
- {json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}})}
- apiVersion: networking.istio.io/v1
  kind: VirtualServiceList
  items:
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {{name: b}}
    spec:
      timeout: 5s
---
apiVersion: v1
kind: List
items:
"""
    found = read_text(text, "f.yaml", "space")
    assert [str(each) for each in found] == ["Service space/a", "VirtualService space/b"]
    with pytest.raises(
        WrongResources, match=r"f\.yaml:12: VirtualService space/b spec\.timeout: there is no field 'timeout'"
    ):
        check(found[1:])


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("{name: Reviews}", "3: VirtualService default/Reviews metadata.name: must be of small letters"),
        ("{name: it, namespace: a_b}", "metadata.namespace: must be up to 63 small letters"),
        ("{name: it, labels: [a]}", "metadata.labels: must be a mapping; this is a list"),
        ("{name: it, labels: {a: 1}}", "metadata.labels.a: must be a text; this is the number 1"),
        ("{name: it, annotations: {a: true}}", "metadata.annotations.a: must be a text; this is the boolean true"),
    ],
)
def test_wrong_metadata(metadata: str, said: str) -> None:
    """Metadata that the API server refuses is refused here."""
    (found,) = problems(resource("VirtualService", RULE).replace("{name: it}", metadata))
    assert said in found


def test_unknown_top_level_fields() -> None:
    """A field beside the spec is named, with what was meant."""
    text = resource("VirtualService", RULE).replace("spec:", "specs:")
    assert "4: VirtualService default/it specs: there is no field 'specs' here; did you mean 'spec'?" in problems(text)
    (found,) = problems(resource("VirtualService", RULE) + "hosts: [a]\n")
    assert "hosts: there is no field 'hosts' here; it belongs under spec" in found


def test_files_and_folders(tmp_path: Path) -> None:
    """Folders are read in order, only what is YAML or JSON in them; what cannot be read is named."""
    (tmp_path / "b.yml").write_text(resource("VirtualService", RULE, "b"))
    (tmp_path / "a.yaml").write_text(resource("VirtualService", RULE, "a"))
    (tmp_path / "c.json").write_text('{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"}}')
    (tmp_path / "notes.txt").write_text("not: [yaml")
    (tmp_path / "deeper").mkdir()
    assert [each.name for each in read_files([tmp_path])] == ["a", "b", "c"]
    assert read_files([tmp_path / "a.yaml"])[0].where("spec") == f"{tmp_path / 'a.yaml'}:4"
    with pytest.raises(ResourceError, match=r"missing\.yaml: cannot be read: No such file"):
        read_files([tmp_path / "missing.yaml"])
    with pytest.raises(ResourceError, match=r"deeper: this folder holds no \*\.yaml"):
        read_files([tmp_path / "deeper"])
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(MAX_BYTES * 100)
    with pytest.raises(ResourceError, match="larger than 4 MiB"):
        read_files([tmp_path / "huge.yaml"])


def test_endless_files_are_not_read_to_the_end() -> None:
    """A device that never ends is refused like a file that is too large."""
    with pytest.raises(ResourceError, match="larger than 4 MiB"):
        read_files(["/dev/zero"])


KEYS = st.sampled_from(
    [
        "http",
        "hosts",
        "match",
        "route",
        "destination",
        "host",
        "weight",
        "uri",
        "prefix",
        "headers",
        "retries",
        "attempts",
        "value",
        "trafficPolicy",
        "loadBalancer",
        "consistentHash",
        "subsets",
        "name",
        "labels",
        "servers",
        "port",
        "number",
        "tls",
        "fault",
        "abort",
        "percentage",
        "gateways",
        "exportTo",
        "redirect",
        "rewrite",
        "maglev",
        "tableSize",
        "portLevelSettings",
        "zzz",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, -(10**400), "9" * 5000 + "s", "1h", "*"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.dictionaries(st.integers(), inner, max_size=1)
    ),
    max_leaves=15,
)


def specs(schema: Any) -> st.SearchStrategy[Any]:
    """Values that come near to the fields of a kind, and others."""
    fields = sorted((getattr(schema, "inner", None) or schema).fields)
    return st.dictionaries(st.sampled_from(fields), VALUES) | VALUES


@pytest.mark.parametrize(("group", "kind"), SCHEMAS)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_any_spec_is_accepted_or_refused(group: str, kind: str, data: st.DataObject) -> None:
    """Whatever stands in a spec, the outcome is a checked resource or a ResourceError that names it."""
    spec = data.draw(specs(SCHEMAS[group, kind]))
    found = read_objects([{"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}])
    try:
        check(found)
    except ResourceError as error:
        assert f"object 1:1: {found[0]} " in str(error)


@settings(deadline=None)
@given(st.lists(VALUES, max_size=3))
def test_any_objects_are_accepted_or_refused(objects: list[Any]) -> None:
    """Whatever a test passes as objects is read, or refused with a ResourceError."""
    try:
        check([each for each in read_objects(objects) if is_istio(each)])
    except ResourceError as error:
        assert "object" in str(error)


@pytest.mark.parametrize("api_version", ["install.istio.io/v1alpha1", "kustomize.config.k8s.io/v1beta1"])
def test_files_of_other_programs(api_version: str) -> None:
    """Folders of manifests hold what other programs read, which needs no name."""
    text = f"apiVersion: {api_version}\nkind: Any\nresources: [a.yaml]\n---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n"
    assert [each.kind for each in read_text(text, "f.yaml")] == ["Namespace"]
