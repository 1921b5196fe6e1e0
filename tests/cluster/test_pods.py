"""Pods that come and go, as Kubernetes makes them: who answers, and what the mesh knows of it."""


def test_pods_come_and_go(tests):
    """A workload is scaled, one of its pods deleted, another is not ready: the mesh knows, and those answer who should."""
    tests.write(
        test_population=f"""
        import subprocess
        from contextlib import contextmanager

        import pytest
        from meshtest import GET, by_body

        REVIEWS = GET("http://shop.example.com/reviews/0")
        PODS = by_body(r'"podname": "([^"]+)"')

        def kubectl(*arguments):
            command = ["kubectl", "--context", {tests.context!r}, "-n", {tests.namespace!r}, *arguments]
            subprocess.run(command, check=True, capture_output=True)

        @contextmanager
        def scaled(count):
            kubectl("scale", "deployment", "reviews-v1", f"--replicas={{count}}")
            kubectl("rollout", "status", "deployment", "reviews-v1")
            try:
                yield
            finally:
                kubectl("scale", "deployment", "reviews-v1", "--replicas=1")
                kubectl("rollout", "status", "deployment", "reviews-v1")

        def names(mesh):
            return {{each.name for each in mesh.workload("reviews-v1").instances}}

        def answering(ingress, count=60):
            return set(ingress.measure(REVIEWS, count, attribute=PODS).counts())

        def test_scaling(mesh, ingress):
            mesh.apply("v1.yaml")
            [first] = names(mesh)
            assert answering(ingress) == {{first}}
            with scaled(2):
                both = names(mesh)
                assert len(both) == 2 and first in both
                assert answering(ingress) == both
                [second] = both - {{first}}
                with mesh.workload("reviews-v1").instance(sorted(both).index(first)).unready():
                    assert answering(ingress) == {{second}}
                assert answering(ingress) == both
            assert len(names(mesh)) == 1
            assert answering(ingress) == names(mesh)

        def test_deletion(mesh, ingress):
            mesh.apply("v1.yaml")
            [first] = names(mesh)
            kubectl("delete", "pod", first)
            kubectl("rollout", "status", "deployment", "reviews-v1")
            mesh.apply("v1.yaml")
            [second] = names(mesh)
            assert second != first
            assert answering(ingress) == {{second}}
            assert [each.instance for each in mesh.hosts("productpage-v1", "reviews", "v1")] == [second]
            assert mesh.readiness("reviews-v1") == {{second: 200}}
        """,
        v1=(tests.folder / "canary.yaml")
        .read_text()
        .replace("weight: 80", "weight: 100")
        .replace("weight: 20", "weight: 0"),
    )
    ended = tests.run()
    assert ended.status == 0, ended.text
