"""etcd, a kube-apiserver without controllers, and istiod."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.istiod.api_server import TOKEN, ApiServer, Document, Refused, documents
from tests.istiod.places import MANIFESTS, PROGRAMS
from tests.istiod.processes import Processes

# Ports that no case has a gateway or a sidecar listen on; the API server's is that of its Service in the topology.
ETCD = "http://127.0.0.1:61379"
ISTIOD_XDS = ("127.0.0.1", 61010)
ISTIOD_DEBUG = ("127.0.0.1", 61014)
ISTIOD_WEBHOOK = ("localhost", 61017)
# pilot/pkg/features: the filters that exist only in Istio's own build of Envoy are off, as in the recordings.
ISTIOD_ENVIRONMENT = {
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_DISABLE_MX_ALPN": "true",
    "PILOT_ENABLE_TELEMETRY_LABEL": "false",
    "PILOT_ENDPOINT_TELEMETRY_LABEL": "false",
    "PILOT_TRACE_SAMPLING": "1",
    # A cached answer may be that to another proxy: the key of routes leaves out, for one, a Sidecar's egressProxy.
    "PILOT_ENABLE_XDS_CACHE": "false",
    "PILOT_DEBOUNCE_AFTER": "20ms",
    "REVISION": "default",
    "CLUSTER_ID": "Kubernetes",
    "POD_NAME": "istiod-0",
    "POD_NAMESPACE": "istio-system",
    "ISTIOD_CUSTOM_HOST": "localhost",
}
MESH = """
accessLogFile: /dev/stdout
enableAutoMtls: false
rootNamespace: istio-system
trustDomain: cluster.local
"""


def start_api_server(processes: Processes, folder: Path) -> ApiServer:
    """An API server that trusts everyone and finishes nothing by itself: no controller runs."""
    key = folder / "service-account.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
    etcd = (
        "--data-dir",
        folder / "etcd",
        "--unsafe-no-fsync=true",
        "--log-level=error",
        "--listen-client-urls",
        ETCD,
        "--advertise-client-urls",
        ETCD,
        "--listen-peer-urls=http://127.0.0.1:61380",
    )
    processes.start("etcd", PROGRAMS / "server", *etcd)
    processes.start(
        "kube-apiserver",
        PROGRAMS / "kube-apiserver",
        *(f"--etcd-servers={ETCD}", "--cert-dir", folder / "certificates"),
        *("--bind-address=127.0.0.1", "--secure-port=6443", "--advertise-address=192.0.2.1"),
        *("--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file", key),
        *("--service-account-signing-key-file", key, "--token-auth-file", folder / "tokens.csv"),
        "--authorization-mode=AlwaysAllow",
        "--disable-admission-plugins=ServiceAccount",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
    )
    server = ApiServer()

    def ready() -> bool:
        try:
            return bool(server.request("GET", "/readyz") == "ok")
        except (OSError, Refused):
            return False

    processes.wait("kube-apiserver", ready, 90)
    return server


def define_kinds(processes: Processes, server: ApiServer) -> None:
    """Istio's and the Gateway API's CustomResourceDefinitions."""
    found = _manifest("istio.yaml", "CustomResourceDefinition") + _manifest(
        "gateway-api.yaml", "CustomResourceDefinition"
    )
    for document in found:
        server.apply(document)

    versions = {
        (of["group"], each["name"])
        for of in (doc.content["spec"] for doc in found)
        for each in of["versions"]
        if each["served"]
    }
    processes.wait("Istio's kinds", lambda: all(server.serves(group, version) for group, version in versions), 60)


def start_istiod(processes: Processes, server: ApiServer, folder: Path) -> None:
    """istiod with its validating webhook, which it must have switched to fail closed."""
    (folder / "kubeconfig").write_text(_kubeconfig())
    (folder / "mesh.yaml").write_text(MESH)
    server.apply(_webhook())
    processes.start(
        "istiod",
        *(PROGRAMS / "pilot-discovery", "discovery", "--kubeconfig", folder / "kubeconfig"),
        *("--meshConfig", folder / "mesh.yaml", "--httpAddr=127.0.0.1:61080", "--secureGRPCAddr=127.0.0.1:61012"),
        *("--grpcAddr", _address(ISTIOD_XDS), "--monitoringAddr", _address(ISTIOD_DEBUG)),
        *("--httpsAddr", _address(ISTIOD_WEBHOOK), "--ctrlz_port=0"),
        *("--keepaliveMaxServerConnectionAge", "240h", "--kubernetesApiQPS", "1000", "--kubernetesApiBurst", "1000"),
        env=ISTIOD_ENVIRONMENT,
    )

    def ready() -> bool:
        try:
            with urllib.request.urlopen("http://127.0.0.1:61080/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    processes.wait("istiod", ready, 90)
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/istiod-default-validator"

    def validating() -> bool:
        return bool(server.request("GET", path)["webhooks"][0]["failurePolicy"] == "Fail")

    processes.wait("istiod's validating webhook", validating, 90)


def istiod_says(path: str) -> Any:
    """A page of istiod's debug interface."""
    with urllib.request.urlopen(f"http://{_address(ISTIOD_DEBUG)}{path}", timeout=30) as answer:
        return json.load(answer)


def _address(place: tuple[str, int]) -> str:
    return f"{place[0]}:{place[1]}"


def _manifest(name: str, kind: str) -> list[Document]:
    return [each for each in documents((MANIFESTS / name).read_text()) if each.content["kind"] == kind]


def _webhook() -> Document:
    """The webhook as Istio installs it, but found by address: no Service leads to this istiod."""
    found = _manifest("istio.yaml", "ValidatingWebhookConfiguration")
    content = next(each.content for each in found if each.content["metadata"]["name"] == "istiod-default-validator")
    content["webhooks"][0]["clientConfig"] = {"url": f"https://{_address(ISTIOD_WEBHOOK)}/validate"}
    return Document(yaml.safe_dump(content), content)


def _kubeconfig() -> str:
    cluster = {"server": "https://127.0.0.1:6443", "insecure-skip-tls-verify": True}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
        }
    )
