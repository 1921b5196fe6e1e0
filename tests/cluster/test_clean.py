"""`meshtest clean`, in a cluster."""

import subprocess
import sys

import pytest

from meshtest.cli import main
from meshtest.meshes.kubernetes.claim import Claim
from meshtest.meshes.kubernetes.foreign import ForeignChanges
from meshtest.meshes.kubernetes.objects import Objects

from .admission import no_random
from .places import HASH, manifest, path, rule, shared, snapshot


@pytest.fixture
def clean(context, namespace, capsys):
    """Runs the command: exit status, what it printed, what it complained of."""

    def run(*more):
        status = main(["clean", "--kube-context", context, "--mesh-namespace", namespace, *more])
        return (status, *capsys.readouterr())

    return run


def test_nothing_is_left(clean, namespace):
    """It says so."""
    assert clean() == (0, f"nothing is left of killed runs in namespace {namespace}\n", "")


def test_what_is_left_goes_back(api, clean, namespace):
    """First it only tells; then it does so, the last first; then there is nothing more to do."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    extra = manifest(namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}, data: {a: b}}")
    Objects(api, "run-1", [namespace]).put(rule(namespace, **HASH) | extra)
    with_remains = snapshot(api, namespace)
    lines = [
        f"deleted  ConfigMap {namespace}/extra (run run-1)",
        f"restored DestinationRule {namespace}/reviews (run run-1)",
    ]
    assert clean("--dry-run") == (0, "".join(f"would be {each}\n" for each in lines), "")
    assert snapshot(api, namespace) == with_remains
    assert clean() == (0, "".join(f"{each}\n" for each in lines), "")
    assert snapshot(api, namespace) == before
    assert clean()[0] == 0


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_run_at_work_is_left_alone(api, clean, namespace, more):
    """Whose it is is told."""
    shared(api, namespace)
    with Claim(api, "run-1", [namespace]) as claim:
        objects = Objects(api, "run-1", [namespace], claim.check)
        objects.put(rule(namespace, **HASH))
        status, out, err = clean(*more)
        assert (status, out) == (1, "")
        assert "run run-1 (" in err
        assert api.get(path(namespace))["spec"]["trafficPolicy"] == HASH
        objects.restore()


def test_what_is_kept_for_a_person_is_mentioned(api, clean, namespace):
    """And is not touched."""
    shared(api, namespace)
    objects = Objects(api, "run-1", [namespace])
    objects.put(rule(namespace, **HASH))
    edit = {"spec": {"host": "ratings"}}
    api.send("PATCH", path(namespace), edit, content_type="application/merge-patch+json", fieldManager="someone")
    with pytest.raises(ForeignChanges):
        objects.restore()
    before = snapshot(api, namespace)
    status, out, _ = clean()
    assert status == 0
    assert out.splitlines()[1].startswith("kept     ConfigMap meshtest-run-1-")
    assert snapshot(api, namespace) == before


def test_what_cannot_be_restored_is_told(api, clean, namespace):
    """A webhook that refuses what was there before: the rest goes back, and it can be tried again."""
    shared(api, namespace)
    before = snapshot(api, namespace)
    extra = manifest(namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: extra}, data: {a: b}}")
    Objects(api, "run-1", [namespace]).put(rule(namespace, **HASH) | extra)
    with no_random(api, namespace):
        status, out, err = clean()
    assert (status, out) == (1, f"deleted  ConfigMap {namespace}/extra (run run-1)\n")
    assert f"DestinationRule {namespace}/reviews cannot be restored" in err
    assert "no DestinationRule with RANDOM" in err
    assert clean()[0] == 0
    assert snapshot(api, namespace) == before


def test_it_is_a_command(context, namespace):
    """Of its own process; a context that does not exist is told in a line."""
    command = [sys.executable, "-m", "meshtest", "clean", "--mesh-namespace", namespace, "--kube-context"]
    assert subprocess.run([*command, context], capture_output=True).returncode == 0
    wrong = subprocess.run([*command, "nowhere"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("context nowhere of the kubeconfig is of no use")
    assert wrong.stderr.count("\n") == 1
