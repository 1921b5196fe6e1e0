"""Rights, as they are asked for, told, and printed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from meshtest.cli import main
from meshtest.meshes.kubernetes.check.rights import CLUSTER, CONTROL_PLANE, RIGHTS, TESTED, needed, rights, unseen
from meshtest.meshes.kubernetes.check.role import manifests
from tests.check.documents import told

ROLES = Path(__file__).parents[2] / "docs" / "role.yaml"


def allowed(document):
    """What a Role allows: verb, group, resource with subresource, and name."""
    return {
        (verb, group, resource, name)
        for rule in document["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


def test_the_roles_allow_what_is_asked_for():
    """No more, and no less; each is bound."""
    documents = list(yaml.safe_load_all(manifests(["shop"], ["istio-system", "gateways"], ("ci", "bot"))))
    roles = {(each["kind"], each["metadata"].get("namespace", "")): each for each in documents}
    for where, place in ((TESTED, "shop"), (CONTROL_PLANE, "istio-system"), (CONTROL_PLANE, "gateways"), (CLUSTER, "")):
        asked = {
            (verb, right.group, "/".join(filter(None, (resource, subresource))), name)
            for right in RIGHTS
            if right.where == where
            for verb, resource, subresource, name in right.questions()
        }
        kind = "Role" if place else "ClusterRole"
        assert allowed(roles[kind, place]) == asked
        binding = roles[f"{kind}Binding", place]
        assert binding["roleRef"]["name"] == roles[kind, place]["metadata"]["name"]
        assert binding["subjects"] == [{"kind": "ServiceAccount", "namespace": "ci", "name": "bot"}]
    assert len(documents) == 8


def test_no_wildcards():
    """The least: no `*`, nothing that changes objects outside of the namespaces under test, no secrets there."""
    for right in RIGHTS:
        assert "*" not in {*right.verbs, *right.resources, right.group}
        if right.where != TESTED:
            assert set(right.verbs) <= {"get", "list", "watch"} or right.resources == ("pods/portforward",)
            assert "secrets" not in right.resources


def test_the_page_is_up_to_date(capsys):
    """`docs/role.yaml` is what the command prints for Bookinfo."""
    assert main(["role", "--mesh-namespace", "bookinfo"]) == 0
    assert capsys.readouterr().out == ROLES.read_text()


def test_wrong_accounts(capsys):
    """A usage error."""
    assert main(["role", "--mesh-namespace", "a", "--account", "bot"]) == 2
    assert "'bot' is no namespace and name" in capsys.readouterr().err


def test_missing_rights():
    """Together in one sentence, with the rule to add; those that may be left out are warnings that say what is lost."""
    tested = {right: [] for right in RIGHTS if right.where == TESTED}
    assert told(rights("shop", tested)) == [("ok", "shop rights", "all that meshtest needs")]
    leases, events = needed(TESTED, "coordination.k8s.io", "leases"), needed(TESTED, "", "events")
    tested |= {leases: [("create", "leases"), ("update", "leases")], events: [("list", "events")]}
    first, second = rights("shop", tested)
    message = "you may not create, update leases of coordination.k8s.io, needed for: one run at a time in a namespace"
    assert (first.severity, first.message) == ("error", message)
    assert "a Role in namespace shop" in first.remedy
    assert '"resources": ["leases"]' in first.remedy
    assert (second.severity, second.message) == ("warning", "you may not list events: findings and evidence say less")


def test_which_right_is_needed():
    """By resource and verb; one that meshtest never asks for is a mistake of the caller's."""
    assert "create" in needed(TESTED, "", "pods", "create").verbs
    assert "list" in needed(TESTED, "", "pods").verbs
    with pytest.raises(KeyError, match="no right to read secrets of the core group in the cluster"):
        needed(CLUSTER, "", "secrets")
    assert "a ClusterRole" in unseen("forbidden", needed(CLUSTER, "", "nodes"), "").remedy
