"""istiod ends in the middle of a run: the changes after it take longer, and nothing else. By itself: other tests need istiod."""

import os
import threading

import pytest

from .stand_ins import until

pytestmark = pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" in os.environ, reason="it ends istiod, which other tests need: -n 0"
)
ISTIOD = "/api/v1/namespaces/istio-system/pods"
CHANGES = 12


def istiods(api):
    """The names of those that are ready."""
    found = api.list(ISTIOD, labelSelector="app=istiod")
    ready = [
        {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}.get("Ready") for pod in found
    ]
    return {pod["metadata"]["name"] for pod, word in zip(found, ready, strict=True) if word == "True"}


def test_istiod_ends(api, existing, tests):
    """Each change is in force when `apply` returns, those while there is no istiod once there is one again; all goes back."""
    canary = (tests.folder / "canary.yaml").read_text()
    tests.write(
        other=canary.replace("weight: 80", "weight: 1").replace("weight: 20", "weight: 99"),
        test_changes=f"""
        from pathlib import Path
        from meshtest import GET, split

        def test_changes(mesh, ingress):
            for number in range({CHANGES}):
                v1, name = ((1, "other.yaml"), (80, "canary.yaml"))[number % 2]
                mesh.apply(name)
                Path("changed").touch()
                ingress.expect(GET("http://shop.example.com/reviews/0"), split(v1=v1, v2=100 - v1, within=20))
        """,
    )
    before, killed = istiods(api), []

    def kill():
        until((tests.folder / "changed").exists, "the first change is in force")
        for name in before:
            api.send("DELETE", f"{ISTIOD}/{name}", {"gracePeriodSeconds": 0})
        killed.append(not istiods(api) & before)

    killer = threading.Thread(target=kill)
    killer.start()
    ended = tests.run()
    killer.join()
    assert ended.status == 0, ended.text
    assert killed == [True]
    until(lambda: bool(istiods(api)), "there is an istiod again")
