"""Who may ask, by the address that a call comes from."""

import pytest

from meshtest import permissions

NOBODY = "no pod has such an address, and a manifest that runs anywhere knows none that a pod has"
NOT_NOTICED = {
    "AuthorizationPolicy/addresses:rules[0]:removed": NOBODY,
    "AuthorizationPolicy/addresses:rules[0].to*": NOBODY,
    "AuthorizationPolicy/addresses:rules[0].from[0].source.ipBlocks*": NOBODY,
    "AuthorizationPolicy/addresses:rules[1].from*": NOBODY,
}
pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_needs("pod-addresses"),
    pytest.mark.mesh_mutants(skip=NOT_NOTICED),
]

ADDRESSES = permissions("""
    asked                                                           client
    GET http://echo:8000/from-there                                 yes
    GET http://echo:8000/not-from-there                             no
    GET http://echo:8000/forwarded                                  yes
    GET http://echo:8000/forwarded (x-forwarded-for: 203.0.113.9)   no
    GET http://echo:8000/forwarded (x-forwarded-for: 203.0.114.9)   yes
    GET http://echo:8000/from-there (x-forwarded-for: 203.0.113.9)  yes
    GET http://echo:8000/a                                          yes
    GET http://shelf:8000/not-from-there                            yes
""")


def test_addresses(mesh):
    """`ipBlocks` is the address that a connection comes from, `remoteIpBlocks` the one that x-forwarded-for says."""
    mesh.apply("test_addresses.yaml")
    mesh.expect(ADDRESSES)


def test_controls(mesh):
    """A policy that is missing, or does the opposite, is noticed."""
    mesh.apply("test_addresses.yaml")
    assert len(mesh.control(ADDRESSES)) == 2
