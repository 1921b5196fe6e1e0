"""Asks a real API server, with Istio's CRDs and istiod's webhook, what it takes: for each spec in `answers/`, and each change to it.

    ../shared/testbed/testbed run python -m tests.resources.asking [KIND...]

Nothing is created: all is asked with `dryRun`, as `kubectl apply --server-side --dry-run=server --validate=strict` does. To have
another spec asked about, add it to the `specs` of its kind, as `{"spec": ...}`.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.resources.changes import ABSENT, POOLS, changed, changes

FOLDER = Path(__file__).with_name("answers")


class Server:
    """The API server that $KUBECONFIG names."""

    def __init__(self) -> None:
        config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        address = urlsplit(config["clusters"][0]["cluster"]["server"])
        self.headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=trusting)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer."""
        headers = {**self.headers, "Content-Type": "application/apply-patch+yaml"}
        self.connection.request(method, path, body and json.dumps(body).encode(), headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def ask_about(server: Server, version: str, kind: str, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The specs with what the server answered to each and to each change of it."""
    _, known = server.ask("GET", f"/apis/{version}")
    (resource,) = [each for each in known["resources"] if each["kind"] == kind and "/" not in each["name"]]
    group = version.partition("/")[0]
    _, crd = server.ask("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{resource['name']}.{group}")
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    space = "/namespaces/default" if resource["namespaced"] else ""
    path = (
        f"/apis/{version}{space}/{resource['name']}/it?dryRun=All&fieldManager=tests&fieldValidation=Strict&force=true"
    )

    def accepted(spec: Any) -> bool:
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": "it"}, "spec": spec}
        return server.ask("PATCH", path, body)[0] < 300

    return [_answers(each["spec"], schema, accepted) for each in given]


def _answers(spec: Any, schema: Any, accepted: Any) -> dict[str, Any]:
    if not accepted(spec):
        raise SystemExit(f"this is refused as it stands: {json.dumps(spec)}")
    pools: dict[str, dict[str, str]] = {}
    others: list[list[Any]] = []
    for pool, pointer, value in changes(schema, spec):
        answer = accepted(changed(spec, pointer, value) if pointer else value)
        if pool:
            bits = pools.setdefault(pointer, {})
            bits[pool] = bits.get(pool, "") + ("+" if answer else "-")
        else:
            others.append([answer, pointer] if value is ABSENT else [answer, pointer, value])
    for bits in pools.values():
        if bits.get("strange") == "+" * len(POOLS["strange"]):
            del bits["strange"]  # any text will do
    return {"spec": spec, "pools": pools, "others": others}


def written(version: str, kind: str, answers: list[dict[str, Any]]) -> str:
    """The text of a file, a line for each place and each other change."""
    specs = []
    for each in answers:
        pools = ",\n".join(f"{json.dumps(pointer)}: {json.dumps(bits)}" for pointer, bits in each["pools"].items())
        others = ",\n".join(json.dumps(other) for other in each["others"])
        specs.append(f'{{"spec": {json.dumps(each["spec"])},\n"pools": {{\n{pools}}},\n"others": [\n{others}]}}')
    return f'{{"apiVersion": "{version}", "kind": "{kind}", "specs": [\n' + ",\n".join(specs) + "]}\n"


def main() -> None:
    """Ask about all kinds, or those that are named by their files."""
    server = Server()
    for file in sorted(FOLDER.glob("*.json")):
        if sys.argv[1:] and file.stem not in sys.argv[1:]:
            continue
        given = json.loads(file.read_text())
        answers = ask_about(server, given["apiVersion"], given["kind"], given["specs"])
        file.write_text(written(given["apiVersion"], given["kind"], answers))
        print(file.stem, len(answers), "specs")


if __name__ == "__main__":
    main()
