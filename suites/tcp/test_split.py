"""Connections that carry no HTTP: each goes as a whole where weights, or the server name of its TLS, send it."""

import pytest

from meshtest import TCP, split

EXCUSED = {
    "Gateway/lines:selector:removed": "it is for all gateways then, and so for the ingress gateway",
    "*protocol=MONGO": "bytes are carried all the same",
    "VirtualService/lines-inside:tcp[0].route[0].destination.subset:removed": "6 points move, less than the margin",
    "ServiceEntry/names:hosts*-mutant": "the port is there for the other host, and the rule goes by the server name",
}
# A gateway's Service need not have the port 31400: then its pods have it, which the API server leads to.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*MT0602:meshtest.AnalysisWarning"),
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(points=15, skip=EXCUSED),
]

OUTSIDE, MOST_V1 = TCP("tcp://echo:31400", b"hello\n"), split(v1=75, v2=25, within=15)
INSIDE, MOST_V2 = TCP("tcp://echo:9000", b"hello\n"), split(v1=25, v2=75, within=15)


def test_split_at_the_gateway(mesh, ingress):
    """The weights of a `tcp` rule decide where connections to a TCP server of the gateway go."""
    mesh.apply("test_split.yaml")
    ingress.expect(OUTSIDE, MOST_V1)


def test_split_in_the_mesh(mesh):
    """The weights of a `tcp` rule without gateways decide where connections of workloads go."""
    mesh.apply("test_split.yaml")
    mesh.workload("client").expect(INSIDE, MOST_V2)


def test_lines_of_a_connection_stay_together(mesh, ingress):
    """All that is sent on one connection reaches the same instance."""
    mesh.apply("test_split.yaml")
    with ingress.connect(OUTSIDE.target) as connection, connection.makefile("rwb") as lines:
        seen = set()
        for _ in range(20):
            lines.write(b"hello\n")
            lines.flush()
            seen.add(lines.readline())
    assert len(seen) == 1


@pytest.mark.parametrize(("host", "version"), [("one.example.com", "v1"), ("two.example.com", "v2")])
def test_server_name_decides(mesh, host, version):
    """A `tls` rule of the mesh sends connections of workloads by their server name, which the callee still sees."""
    mesh.apply("test_split.yaml")
    for _ in range(48):  # three of the four instances are v1: (3/4)^48 is 1e-6
        said = mesh.workload("client").get(f"https://{host}:8443/").json()
        assert (said["version"], said["tls"]["server_name"]) == (version, host)


def test_wrong_splits_are_noticed(mesh, ingress):
    """A mesh that is off by the margin is called VIOLATED."""
    mesh.apply("test_split.yaml")
    ingress.control(OUTSIDE, MOST_V1)
    mesh.workload("client").control(INSIDE, MOST_V2)
