"""A matrix of permissions as a user sees it, what a workload received, and tests that need what the mesh cannot do."""

from __future__ import annotations

import pytest

TOWN = """
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template: {metadata: {labels: {app: shop}}}
---
apiVersion: v1
kind: Service
metadata: {name: client}
spec: {selector: {app: client}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client}
spec:
  selector: {matchLabels: {app: client}}
  template: {metadata: {labels: {app: client}}}
"""

POLICIES = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: shop}
spec: {selector: {matchLabels: {app: shop}}, action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec: {hosts: [shop], http: [{rewrite: {uri: /new}, match: [{uri: {prefix: /old}}], route: [{destination: {host: shop}}]}, {route: [{destination: {host: shop}}]}]}
"""

TESTS = """
import pytest
from meshtest import GET, HEAD, PolicyViolation, permissions, received

pytestmark = pytest.mark.mesh_workloads("town.yaml")
ADMIN, OPEN = GET("http://shop/admin"), GET("http://shop/open")

def test_as_stated(mesh):
    mesh.apply("policies.yaml")
    assert mesh.expect(permissions({("client", ADMIN): False, ("client", OPEN): True})).requests == 20
    assert len(mesh.control(permissions({("client", ADMIN): False}))) == 2

def test_wrong_cells(mesh):
    mesh.apply("policies.yaml")
    mesh.expect(permissions({("client", ADMIN): True, ("client", OPEN): False, ("shop", OPEN): True}))

def test_another_403(mesh):
    mesh.apply("policies.yaml")
    with mesh.workload("shop").fails(403):
        mesh.expect(permissions({("client", OPEN): True}))
        with pytest.raises(PolicyViolation, match="is to be denied, got 403"):
            mesh.expect(permissions({("client", OPEN): False}))

def test_a_refusal_without_a_body(mesh):
    mesh.apply("policies.yaml")
    with pytest.raises(PolicyViolation, match="is to be allowed"):
        mesh.expect(permissions({("client", HEAD("http://shop/admin")): True}))

def test_control_that_no_cell_notices(mesh):
    mesh.apply("policies.yaml")
    mesh.control(permissions({("client", GET("http://client/")): True}))

def test_control_without_policies(mesh):
    with pytest.raises(ValueError, match="has applied none"):
        mesh.control(permissions({("client", OPEN): True}))

def test_received(mesh):
    mesh.apply("policies.yaml")
    request, expected = GET("http://shop/old/a", headers={"x-a": "b"}), received(path="/new/a", host="shop", headers={"x-a": "b", "x-no": None})
    mesh.workload("client").expect(request, expected)
    assert len(mesh.workload("client").control(request, expected)) == 5

@pytest.mark.mesh_needs("mutual-tls")
def test_identities(mesh):
    raise AssertionError("not on the local mesh")

@pytest.mark.mesh_needs("mutual-tsl")
def test_no_capability(mesh):
    raise AssertionError("nobody knows it")

def test_capabilities(mesh):
    assert "mutual-tls" not in mesh.capabilities
"""


def test_permissions(project: pytest.Pytester) -> None:
    """Cells are asked and judged, each policy's control is noticed or said, and a test that cannot run here is skipped by name."""
    for name, text in {"town": TOWN, "policies": POLICIES}.items():
        project.path.joinpath(f"{name}.yaml").write_text(text)
    project.makepyfile(TESTS)
    result = project.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=6, failed=2, skipped=1, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "VIOLATED: each of 2 requests through client, shop must be let through or turned away as the table says *",
            "  client: GET http://shop/admin *allowed *403 *WRONG",
            "  client: GET http://shop/open *denied *200 *WRONG",
            "  shop: GET http://shop/open *allowed *200 *",
            "the control (without AuthorizationPolicy default/shop) was not noticed: no cell depends on it.",
            "*mesh_needs('mutual-tsl'): a mesh can have mutual-tls, pod-addresses, *",
            "SKIPPED*the mesh (local) has no mutual-tls: mutual TLS between workloads*",
            "HOLDS *1 of 2 cells allowed *2 cells as stated *",
            "noticed *2 of 2 wrong meshes *",
        ]
    )
