"""The rights that meshtest needs, as Roles to be applied: the least that does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from meshtest.meshes.kubernetes.check.rights import CLUSTER, CONTROL_PLANE, RIGHTS, TESTED, Right

_HEAD = """\
# What meshtest needs to be allowed, and nothing more: made by `meshtest role{given}`.
# Put the names of those who run it under `subjects`. Each rule says what it is for; a rule with "without it" may be left out."""


def manifests(namespaces: Sequence[str], control_planes: Sequence[str], subject: tuple[str, str]) -> str:
    """Roles and their bindings in YAML, with the reasons as comments.

    `namespaces` are those under test, `control_planes` those of istiod and the gateways; `subject` is the namespace and name of the
    service account that is bound.
    """
    given = "".join(f" --mesh-namespace {each}" for each in namespaces)
    documents = [
        *(_role("Role", "meshtest", each, TESTED) for each in namespaces),
        *(_role("Role", "meshtest-control-plane", each, CONTROL_PLANE) for each in control_planes),
        _role("ClusterRole", "meshtest", "", CLUSTER),
        *(_binding("Role", "meshtest", each, subject) for each in namespaces),
        *(_binding("Role", "meshtest-control-plane", each, subject) for each in control_planes),
        _binding("ClusterRole", "meshtest", "", subject),
    ]
    return "\n---\n".join([_HEAD.format(given=given), *documents]) + "\n"


def _role(kind: str, name: str, namespace: str, where: str) -> str:
    return "\n".join(
        [
            *_object(kind, name, namespace),
            "rules:",
            *(line for right in RIGHTS if right.where == where for line in _rule(right)),
        ]
    )


def _object(kind: str, name: str, namespace: str) -> Iterator[str]:
    yield "apiVersion: rbac.authorization.k8s.io/v1"
    yield f"kind: {kind}"
    yield "metadata:"
    yield f"  name: {name}"
    if namespace:
        yield f"  namespace: {namespace}"


def _rule(right: Right) -> Iterator[str]:
    """A rule, with its reason above it; lists in YAML's flow style, which JSON is."""
    yield f"  # {right.reason}"
    if right.without:
        yield f"  # without it: {right.without}"
    for number, (key, values) in enumerate(right.rule.items()):
        yield f"  {'-' if not number else ' '} {key}: {json.dumps(values)}"


def _binding(kind: str, name: str, namespace: str, subject: tuple[str, str]) -> str:
    return "\n".join(
        [
            *_object(f"{kind}Binding", name, namespace),
            "roleRef:",
            "  apiGroup: rbac.authorization.k8s.io",
            f"  kind: {kind}",
            f"  name: {name}",
            "subjects:",
            "  - kind: ServiceAccount",
            f"    namespace: {subject[0]}",
            f"    name: {subject[1]}",
        ]
    )
