"""A run that is killed just before it changes something in the cluster for the n-th time: python -m tests.cluster.killed DO CONTEXT NAMESPACE N."""

import json
import os
import signal
import sys

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.claim import Claim
from meshtest.meshes.kubernetes.objects import Objects
from meshtest.meshes.kubernetes.remains import mend

from .places import HASH, manifest, rule


class Mortal(Api):
    """It kills its process."""

    left = 0

    def send(self, method, path, body=None, **query):
        if "dryRun" not in query:
            self._live_on()
        return super().send(method, path, body, **query)

    def apply(self, resource, **how):
        self._live_on()
        return super().apply(resource, **how)

    def _live_on(self):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


def large(namespace):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": {"a": "x" * 950_000}}
    return manifest(namespace, json.dumps(body))


def put(api, namespace):
    """Something that existed and two that did not, changed, and taken back."""
    objects = Objects(api, "run-1", [namespace])
    objects.put(rule(namespace, **HASH) | large(namespace))
    objects.put(rule(namespace, connectionPool={"tcp": {"maxConnections": 7}}))
    objects.restore()


def claim(api, namespace):
    """Something that existed changed, and taken back when told so."""
    with Claim(api, "run-1", [namespace]) as claim:
        objects = Objects(api, "run-1", [namespace], claim.check)
        objects.put(rule(namespace, **HASH))
        print("in force", flush=True)
        sys.stdin.readline()
        try:
            objects.restore()
        except MeshError as error:
            print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    do, context, namespace, left = sys.argv[1:]
    api = Mortal(context)
    api.left = int(left)
    {"put": put, "mend": mend, "claim": claim}[do](api, namespace)
