"""Suites in a namespace of their own: they pass, with the documented rights and no others, and nothing is left of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from meshtest.meshes.kubernetes.check.role import manifests

from .accounts import renamed
from .stand_ins import pods_in, until

SUITES = Path(__file__).parents[2] / "suites"


@pytest.fixture
def user(account, granted, shop, tmp_path):
    """The kubeconfig of a service account with what `meshtest role` prints, but for rules of istio-system on a resource."""

    def with_role(but=None):
        found = account(shop)
        granted(renamed(manifests([shop], ["istio-system"], (shop, "meshtest")), shop, but))
        until(lambda: found.may("list", "networking.istio.io", "gateways", "", ""), "the Role is in force")
        until(lambda: found.may("update", "coordination.k8s.io", "leases", shop), "the Role is in force")
        assert not found.may("create", "networking.istio.io", "envoyfilters", "istio-system")
        found.close()
        return tmp_path / "kubeconfig"

    return with_role


def test_suites(existing, user, tests):
    """Through the gateway, within the mesh, with faults: as a service account that may change nothing in istio-system."""
    bookinfo = [SUITES / "bookinfo" / f"test_reviews_{each}.py" for each in ("80_20", "from_productpage")]
    suites = [*bookinfo, SUITES / "faults" / "test_aborts.py"]
    ended = replace(tests, kubeconfig=user()).run(*suites, "-k", "not controls")
    assert ended.status == 0, ended.text
    assert "13 passed, 4 deselected" in ended.text


def test_workers_take_turns(existing, tests):
    """Two processes of pytest-xdist have the namespace one after the other, test by test."""
    tests.write(
        test_turns="""
        import pytest
        from meshtest import GET, split

        @pytest.mark.parametrize("number", range(4))
        def test_turn(mesh, ingress, number):
            mesh.apply("canary.yaml")
            ingress.expect(GET("http://shop.example.com/reviews/0"), split(v1=80, v2=20, within=20))
        """
    )
    ended = tests.run("-n", 2, "-v")
    assert ended.status == 0, ended.text
    assert "[gw0]" in ended.text
    assert "[gw1]" in ended.text


def test_from_a_pod_of_its_own(existing, api, shop, tests):
    """Where the gateway cannot be reached from here it is called from a pod, which is gone when the run has ended."""
    tests.write(
        test_inside="""
        from meshtest import GET, split

        def test_inside(mesh, ingress):
            mesh.apply("canary.yaml")
            ingress.expect(GET("http://shop.example.com/reviews/0"), split(v1=80, v2=20, within=20))
        """
    )
    ended = tests.run("--mesh-gateway", "in-cluster", "--mesh-pull-policy", "Never")
    assert ended.status == 0, ended.text
    assert "HOLDS" in ended.text
    assert not [pod for pod in pods_in(api, shop) if pod["metadata"]["name"].startswith("meshtest-client")]


def test_a_gateway_that_may_not_be_asked(user, tests):
    """Without port-forward in istio-system the change is awaited otherwise, and the summary says so."""
    tests.write(
        test_split="""
        from meshtest import GET, split

        def test_split(mesh, ingress):
            mesh.apply("canary.yaml")
            ingress.expect(GET("http://shop.example.com/reviews/0"), split(v1=80, v2=20, within=20))
        """
    )
    ended = replace(tests, kubeconfig=user(but="pods/portforward")).run()
    assert ended.status == 0, ended.text
    assert "cannot be asked what it holds (there is no right to port-forward in istio-system)" in ended.text
