"""The mesh's own configuration, read where Istio keeps it."""

from __future__ import annotations

import textwrap

import pytest

from meshtest.errors import ResourceError
from meshtest.resources.manifest import read_text
from meshtest.resources.problem import WrongResources
from meshtest.topology.mesh_config import MeshConfig
from meshtest.topology.topology import topology


def config(mesh: str, name: str = "istio", namespace: str = "istio-system") -> str:
    """The ConfigMap that holds a mesh configuration; that begins on line 7."""
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata:\n  mesh: |\n{textwrap.indent(mesh, '    ')}\n"


def read(text: str) -> MeshConfig:
    """The configuration in a text."""
    return topology(read_text(text, "f.yaml")).config


def test_defaults() -> None:
    """Without a ConfigMap, with an empty one, or with one of another name, Istio's defaults hold."""
    assert read("") == read(config("")) == read(config("connectTimeout: 1s", "other")) == MeshConfig()
    assert read(config("connectTimeout: 1s", namespace="default")) == MeshConfig()


def test_values() -> None:
    """What is implemented is read; what changes nothing here is passed over, nulls too."""
    text = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\ndefaultHttpRetryPolicy: {attempts: 0}\nconnectTimeout: 1500ms\nrootNamespace: mesh\naccessLogFile: /dev/stdout\n"
    text += "defaultConfig: {discoveryAddress: a:15012}\nextensionProviders: [{name: otel}]\nenableAutoMtls: false\ntrustDomain: cluster.local\nlocalityLbSetting:\n"
    assert read(config(text)) == MeshConfig(True, {"attempts": 0}, "1.5s", "mesh")


def test_trust_domains() -> None:
    """The mesh's trust domain names its identities; its aliases, and domains of further authorities, are trusted too."""
    assert read("").trust_domains == read("").trusted_domains == ("cluster.local",)
    found = read(
        config(
            "trustDomain: td\ntrustDomainAliases: [old, td]\ncaCertificates: [{pem: x, trustDomains: [old, far]}, {}]"
        )
    )
    assert found.trust_domains == ("td", "old", "td")
    assert found.trusted_domains == ("td", "old", "far")
    assert found.identity("a", "b") == "spiffe://td/ns/a/sa/b"


def test_the_last_counts() -> None:
    """Of two ConfigMaps of the name the later is in force."""
    assert read(config("connectTimeout: 1s") + config("connectTimeout: 2s")).connect_timeout == "2s"


@pytest.mark.parametrize(
    ("mesh", "said"),
    [
        ("a: [", "f.yaml:6 (the mesh key):"),
        ("- a", "f.yaml:6: ConfigMap istio-system/istio data.mesh: must hold a mapping of MeshConfig's fields"),
        (
            "outboundTrafficPolicy: {mode: ALLOW}",
            "data.mesh.outboundTrafficPolicy.mode: must be one of ALLOW_ANY, REGISTRY_ONLY; this is the text 'ALLOW'; did you mean 'ALLOW_ANY'?",
        ),
        (
            "outboundTraficPolicy: {}",
            "there is no field 'outboundTraficPolicy' here; did you mean 'outboundTrafficPolicy'?",
        ),
        ("connectTimeout: 5", "data.mesh.connectTimeout: must be a duration"),
    ],
)
def test_what_is_wrong(mesh: str, said: str) -> None:
    """Mistakes are named with the place of the ConfigMap."""
    with pytest.raises(ResourceError) as caught:
        read(config(mesh))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "mesh",
    [
        "localityLbSetting: {enabled: true}",
        "enableAutoMtls: true",
        "h2UpgradePolicy: UPGRADE",
        "tcpKeepalive: {}",
        "serviceSettings: []",
    ],
)
def test_what_is_not_implemented_is_refused_by_name(mesh: str) -> None:
    """A field that would change traffic, and is not implemented, is refused."""
    with pytest.raises(WrongResources) as caught:
        read(config(mesh))
    assert caught.value.unsupported
    assert [problem.field for problem in caught.value.problems] == [f"data.mesh.{mesh.partition(':')[0]}"]
