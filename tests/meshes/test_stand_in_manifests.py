"""`meshtest bookinfo`: the manifests of stand-ins, told without a cluster; and that the image has what they need."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshtest.bookinfo.pod import read_pod
from meshtest.cli import main
from meshtest.errors import ResourceError
from meshtest.meshes.kubernetes.manifests import Manifests, Wishes
from meshtest.meshes.kubernetes.pods import speaks_tls
from meshtest.meshes.local.stand_in import workloads
from meshtest.resources.manifest import read_files, read_objects, read_text
from meshtest.resources.resource import Resource
from meshtest.topology.default import bookinfo
from meshtest.topology.topology import topology
from tests.cluster.image import lay_out
from tests.meshes.manifests import TCP_ECHO
from tests.meshes.places import placed

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "meshtest"
TOWN = read_files([ROOT / "suites" / "town.yaml"])


def made(found: Iterable[Resource], **wishes: Any) -> list[Json]:
    return Manifests(found, Wishes(**wishes)).objects()


def pods(objects: Iterable[Json]) -> dict[str, Json]:
    """The pod templates, by the names of what makes them."""
    return {each["metadata"]["name"]: each["spec"]["template"] for each in objects if each["kind"] == "Deployment"}


def environment(template: Json, pod: str, namespace: str) -> dict[str, str]:
    """What Kubernetes would set in the first container."""
    labels, out = template["metadata"]["labels"], {}
    fields = {"metadata.name": pod, "metadata.namespace": namespace}
    for each in template["spec"]["containers"][0]["env"]:
        if path := each.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath"):
            label = re.fullmatch(r"metadata\.labels\['(.*)'\]", path)
            out[each["name"]] = labels.get(label[1], "") if label else fields[path]
        else:
            out[each["name"]] = re.sub(r"\$\((\w+)\)", lambda match: out[match[1]], each["value"])
    return out


@pytest.mark.parametrize(
    "found", [bookinfo(), TOWN, read_text(TCP_ECHO, "tcp-echo.yaml")], ids=["bookinfo", "town", "tcp-echo"]
)
def test_as_on_the_local_mesh(found: list[Resource]) -> None:
    """From one file the same stand-ins run here and there: applications, what they are called, what is spoken at which port."""
    local = workloads(topology(found), placed(topology(found)))
    templates = pods(made(found))
    compared = 0
    for each in topology(found).instances:
        if each.gateway:
            continue
        there = read_pod(environment(templates[each.workload], each.name, each.namespace))
        here = local[each.full_name]
        assert there.name == here["name"]
        assert there.says == here["podname"]
        assert (there.kind, there.workload, there.version) == (here["kind"], here["workload"], here["version"])
        assert (there.prefix, list(there.certified)) == (here["prefix"], here["certified"])
        assert {listen.address[0] for listen in there.listen} == {"0.0.0.0"}
        assert len(there.listen) == len(here["listen"])
        compared += 1
    assert compared == len(local) - 1  # the rest of the world


@pytest.mark.parametrize("found", [bookinfo(), TOWN], ids=["bookinfo", "town"])
def test_the_same_topology(found: list[Resource]) -> None:
    """What is printed describes the same Services and workloads as the file that it was made of."""

    def described(found: Iterable[Resource]) -> tuple[object, object]:
        world = topology(found)
        leads = {
            each.hostname: {port: len(world.endpoints(each, port)) for port in each.ports} for each in world.services
        }
        accounts = {
            (each.full_name, each.account, each.version, each.app) for each in world.instances if not each.gateway
        }
        return {host: each for host, each in leads.items() if "gateway" not in host}, accounts

    assert described(read_objects(made(found))) == described(found)


def test_what_there_is_for_bookinfo() -> None:
    """A ServiceAccount and a Service each, and six Deployments, in an order in which they can be applied."""
    kinds = [each["kind"] for each in made(bookinfo())]
    assert kinds == ["ServiceAccount"] * 4 + ["Service"] * 4 + ["Deployment"] * 6


def test_pods() -> None:
    """A pod asks for a sidecar, runs our image without rights, and is ready when the stand-in says so; it is never killed for being down."""
    for name, template in pods(made(bookinfo(), image="registry.example.com/stand-ins:7")).items():
        [container] = template["spec"]["containers"]
        assert template["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
        assert container["image"] == "registry.example.com/stand-ins:7"
        assert "imagePullPolicy" not in container
        assert container["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["readinessProbe"]["httpGet"] == {"path": "/", "port": 14102}
        assert "livenessProbe" not in container
        assert json.loads(environment(template, "p", "n")["MESHTEST_STAND_IN"])["workload"] == name


def test_what_others_wrote_stays() -> None:
    """The environment, volumes, annotations and other containers of a manifest are kept; how another program starts is not."""
    text = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: ratings-v1, namespace: shop}
spec:
  selector: {matchLabels: {app: ratings}}
  template:
    metadata: {labels: {app: ratings, sidecar.istio.io/inject: "false"}, annotations: {a: b}}
    spec:
      nodeName: oak
      containers:
      - {name: other, image: busybox}
      - name: ratings
        image: istio/examples-bookinfo-ratings-v1:1
        command: [node]
        args: [ratings.js]
        livenessProbe: {httpGet: {path: /health, port: 9080}}
        env: [{name: SERVICE_VERSION, value: v-faulty}]
        ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
"""
    [owner] = made(read_text(text, "ratings.yaml"), namespace="elsewhere")
    template = owner["spec"]["template"]
    other, ratings = template["spec"]["containers"]
    assert owner["metadata"]["namespace"] == "shop"
    assert template["metadata"]["labels"] == {"app": "ratings", "sidecar.istio.io/inject": "false"}
    assert template["metadata"]["annotations"]["a"] == "b"
    assert other == {"name": "other", "image": "busybox"}
    assert ratings["env"][0] == {"name": "SERVICE_VERSION", "value": "v-faulty"}
    assert ratings["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert not {"command", "args", "livenessProbe"} & ratings.keys()
    assert "nodeName" not in template["spec"]
    given = json.loads(next(each["value"] for each in ratings["env"] if each["name"] == "MESHTEST_STAND_IN"))
    assert (given["kind"], given["listen"]) == ("ratings", [["0.0.0.0", 80, "http"]])
    assert template["spec"]["securityContext"]["sysctls"] == [
        {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
    ]


AS_LOCALLY = {"concurrency": 1, "drainDuration": "1s", "proxyStatsMatcher": {"inclusionRegexps": [".*"]}}
PROXY_CONFIGS = [
    (None, AS_LOCALLY),
    ("concurrency: 4", {**AS_LOCALLY, "concurrency": 4}),
    (
        "proxyStatsMatcher: {inclusionPrefixes: [cluster]}",
        {**AS_LOCALLY, "proxyStatsMatcher": {"inclusionPrefixes": ["cluster"]}},
    ),
]


@pytest.mark.parametrize(("given", "expected"), PROXY_CONFIGS)
def test_sidecars(given: str | None, expected: Json) -> None:
    """Sidecars of stand-ins are as those of the local mesh, but for what the manifest says."""
    found = copy.deepcopy([dict(each.body) for each in bookinfo() if each.name == "ratings-v1"])
    if given:
        found[0]["spec"]["template"]["metadata"]["annotations"] = {"proxy.istio.io/config": given}
    [template] = pods(made(read_objects(found))).values()
    assert json.loads(template["metadata"]["annotations"]["proxy.istio.io/config"]) == expected


def test_wrong_proxy_config() -> None:
    """An annotation that is no ProxyConfig is an error that names the object."""
    found = copy.deepcopy([dict(each.body) for each in bookinfo() if each.name == "ratings-v1"])
    found[0]["spec"]["template"]["metadata"]["annotations"] = {"proxy.istio.io/config": "[1]"}
    with pytest.raises(
        ResourceError, match=r"proxy\.istio\.io/config of Deployment default/ratings-v1 is no ProxyConfig"
    ):
        made(read_objects(found))


def test_the_files_are_not_changed() -> None:
    """Manifests are copies: what they were made of is as it was."""
    found = bookinfo()
    before = json.dumps([each.body for each in found])
    made(found, namespace="n", localities=True)
    assert json.dumps([each.body for each in found]) == before


def test_accounts() -> None:
    """A service account that a pod names and no file has is made."""
    accounts = [each["metadata"] for each in made(TOWN, namespace="n") if each["kind"] == "ServiceAccount"]
    assert accounts == [{"name": "client", "namespace": "n"}]


def test_localities() -> None:
    """Where nodes are in the manifests, pods say it by a label, so that it is the same in a cluster without these nodes."""
    labelled = read_objects(made(TOWN, localities=True))
    here, there = topology(TOWN), topology(labelled)
    where = {each.full_name: here.locality(each) for each in here.instances if not each.gateway}
    assert where == {each.full_name: there.locality(each) for each in there.instances}
    assert len(set(where.values())) == 3
    assert all("istio-locality" not in each["metadata"]["labels"] for each in pods(made(TOWN)).values())


def test_certificates_are_for_the_namespace() -> None:
    """The names that a stand-in proves are those that its Services have where it was applied to."""
    template = pods(made(TOWN))["echo-v1"]
    [first, *_] = read_pod(environment(template, "p", "shop")).certified
    assert first == "echo.shop.svc.cluster.local"


def test_who_speaks_tls() -> None:
    """A pod's environment says whether its stand-in needs certificates."""
    found = {each.workload: speaks_tls(each) for each in topology(read_objects(made(TOWN))).instances}
    assert found == {
        "echo-v1": True,
        "echo-v2": True,
        "client": False,
        "shelf-near": False,
        "shelf-far": False,
        "shelf-abroad": False,
    }


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[Json], str]:
    status = main(["bookinfo", *arguments])
    said = capsys.readouterr()
    return status, list(yaml.safe_load_all(said.out)), said.err


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what kubectl takes, and says what it leaves out."""
    status, objects, said = run(capsys, "--namespace", "n", "--pull-policy", "Never", "--image", "i:1")
    assert (status, said) == (0, "")
    assert {each["metadata"]["namespace"] for each in objects} == {"n"}
    assert {each["spec"]["containers"][0]["imagePullPolicy"] for each in pods(objects).values()} == {"Never"}
    status, objects, said = run(capsys, "--topology", str(ROOT / "suites" / "town.yaml"))
    assert status == 0
    assert set(pods(objects)) == {"echo-v1", "echo-v2", "shelf-near", "shelf-far", "shelf-abroad", "client"}
    assert re.search(r"town\.yaml:\d+: left out: Deployment istio-system/istio-egressgateway is a gateway", said)


def test_command_without_anything(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where nothing is a stand-in's it says so, and nothing is printed."""
    file = tmp_path / "mine.yaml"
    container = "{name: a, image: mine}"
    template = f"{{metadata: {{labels: {{app: a}}}}, spec: {{containers: [{container}]}}}}"
    file.write_text(f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{template: {template}}}\n")
    status, objects, said = run(capsys, "--topology", str(file))
    assert (status, objects) == (1, [])
    assert f"{file}:1: left out: Deployment default/a" in said


def test_the_image_has_what_it_needs(tmp_path: Path) -> None:
    """What the Containerfile copies is enough for a pod to start and to speak TLS."""
    lay_out(tmp_path)
    modules = "pod, relay, productpage, reviews, ratings, details, echo, tls"
    code = f"import meshtest; from meshtest.bookinfo import {modules}; from meshtest.authority import Authority; Authority.new(); print(meshtest.__file__)"
    # -P and the place in front of it: this checkout is installed in the environment of the tests
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "app")}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(tmp_path))


def test_the_image_s_requirements() -> None:
    """They are among the package's own, with the same bounds."""
    wanted = [
        line
        for line in (PACKAGE / "bookinfo" / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    project: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert wanted
    assert set(wanted) <= set(project["dependencies"])
