"""Service accounts, and the rights that they are given."""

from __future__ import annotations

import subprocess

import yaml

from meshtest.meshes.kubernetes.api import Api


def kubeconfig(api: Api, context: str, namespace: str) -> str:
    """That of the service account `meshtest` of a namespace, which is made if there is none."""
    metadata = {"name": "meshtest", "namespace": namespace}
    api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, manager="meshtest-tests")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/meshtest/token"
    token = api.send("POST", path, request)["status"]["token"]
    view = ["kubectl", "config", "view", "--raw", "--minify", "--context", context]
    found = yaml.safe_load(subprocess.check_output(view))
    found["users"] = [{"name": "meshtest", "user": {"token": token}}]
    found["contexts"][0]["context"]["user"] = "meshtest"
    return str(yaml.safe_dump(found))


def renamed(text: str, name: str, but: str | None = None) -> str:
    """Manifests of `meshtest role`, with the Roles that are not of the test's own namespace under a name of the test's own.

    Without rules of the control plane's namespace on a resource `but`.
    """
    documents = list(yaml.safe_load_all(text))
    for each in documents:
        if each["metadata"].get("namespace") != name:
            each["metadata"]["name"] = name
            each.get("roleRef", {})["name"] = name
        if each["kind"] == "Role" and each["metadata"]["namespace"] != name:
            each["rules"] = [rule for rule in each["rules"] if but not in rule["resources"]]
    return str(yaml.safe_dump_all(documents))
