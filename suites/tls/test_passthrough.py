"""TLS that the gateway passes through: the workload ends it, and the server name decides which one."""

import pytest

from meshtest import GET, handshake

pytestmark = [
    pytest.mark.mesh_workloads("../town.yaml"),
    pytest.mark.mesh_mutants(
        skip={"Gateway/passing:selector:removed": "without a selector a Gateway is for all gateways, this one too"}
    ),
]
MANY = 40  # of four instances one has version v2: by chance none of so many comes to it with a probability of 1e-5

ONE, TWO = GET("https://one.example.com/lines"), GET("https://two.example.com/lines")
PASSED = handshake(versions=["TLSv1.2", "TLSv1.3"], refuses=["three.example.com", "elsewhere.invalid"])


def test_handshake(mesh, ingress):
    """A server name that a `tls` rule names is answered by the workload's own certificate; any other is refused."""
    mesh.apply("test_passthrough.yaml")
    ingress.expect(ONE, PASSED)
    ingress.expect(TWO, PASSED)


@pytest.mark.parametrize(("request_", "version"), [(ONE, "v1"), (TWO, "v2")], ids=["v1", "v2"])
def test_server_name_decides(mesh, ingress, request_, version):
    """`sniHosts` sends connections by the server name in the first message, and the gateway adds nothing to what it cannot read."""
    mesh.apply("test_passthrough.yaml")
    for _ in range(MANY):
        said = ingress.get(request_.target).json()
        assert (said["version"], said["tls"]["server_name"]) == (version, request_.authority)
        assert "x-forwarded-proto" not in said["headers"]


def test_wrong_servers_are_noticed(mesh, ingress):
    """A gateway for another host is called VIOLATED."""
    mesh.apply("test_passthrough.yaml")
    ingress.control(ONE, handshake())
