"""Who may ask, by the identity that mutual TLS proves."""

import pytest

from meshtest import permissions

pytestmark = [pytest.mark.mesh_workloads("../town.yaml"), pytest.mark.mesh_needs("mutual-tls")]

IDENTITIES = permissions("""
    asked                         client  shelf-near
    GET http://echo:8000/client   yes     no
    GET http://echo:8000/others   no      yes
""")


def test_principals(mesh):
    """`principals` takes the calls of those service accounts alone."""
    mesh.apply("test_identities.yaml")
    mesh.expect(IDENTITIES)


def test_controls(mesh):
    """A policy that is missing, or does the opposite, is noticed."""
    mesh.apply("test_identities.yaml")
    assert len(mesh.control(IDENTITIES)) == 2
