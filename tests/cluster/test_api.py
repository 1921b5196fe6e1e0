"""The API server, asked for real."""

import threading

import pytest

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api, Missing, Refused


def config_map(namespace, name="m", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def test_what_is_applied_is_there(api, namespace):
    """Server-side apply, read back by its path and in its collection."""
    wanted = config_map(namespace, a="b")
    api.apply(wanted, manager="meshtest")
    assert api.get(api.path_of(wanted))["data"] == {"a": "b"}
    names = [each["metadata"]["name"] for each in api.list(api.collection_of(wanted))]
    assert "m" in names


def test_a_dry_run_changes_nothing(api, namespace):
    """What would be, and is not."""
    wanted = config_map(namespace, a="b")
    assert api.apply(wanted, manager="meshtest", dry_run=True)["data"] == {"a": "b"}
    with pytest.raises(Missing, match="404"):
        api.get(api.path_of(wanted))


def test_the_servers_words_are_kept(api, namespace):
    """A conflict says which manager holds the field; a wrong field is named."""
    api.apply(config_map(namespace, a="b"), manager="first")
    with pytest.raises(Refused, match="first") as caught:
        api.apply(config_map(namespace, a="c"), manager="second")
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert [each["field"] for each in caught.value.causes] == [".data.a"]


def test_lists_go_on_from_page_to_page(api, namespace):
    """All objects, and each says what it is."""
    for number in range(5):
        api.apply(config_map(namespace, f"m{number}"), manager="meshtest")
    found = api.list(f"/api/v1/namespaces/{namespace}/configmaps", limit=2)
    assert {f"m{number}" for number in range(5)} <= {each["metadata"]["name"] for each in found}
    assert {(each["apiVersion"], each["kind"]) for each in found} == {("v1", "ConfigMap")}


def test_rights_are_told(api, namespace):
    """The test bed's user may do anything."""
    assert api.may("create", "networking.istio.io", "virtualservices", namespace)


def test_an_unknown_kind_is_missing(api, namespace):
    """And is named."""
    with pytest.raises(Missing, match=r"knows no kind Nothing of v1"):
        api.path_of({"apiVersion": "v1", "kind": "Nothing", "metadata": {"name": "x", "namespace": namespace}})


@pytest.fixture
def gateway(api):
    """A pod that runs Envoy."""
    found = api.list("/api/v1/namespaces/istio-system/pods", labelSelector="istio=ingressgateway")
    pods = [
        each
        for each in found
        if any(said["type"] == "Ready" and said["status"] == "True" for said in each["status"]["conditions"])
    ]
    return pods[0]["metadata"]["name"], pods[0]["spec"]["containers"][0]["name"]


def test_commands_run_in_pods(api, gateway):
    """Their exit status, what they write, what they are given."""
    command = ["sh", "-c", "cat; echo err >&2; exit 3"]
    assert api.execute("istio-system", *gateway, command, b"some\n" * 100_000) == (3, b"some\n" * 100_000, b"err\n")
    assert api.execute("istio-system", *gateway, ["true"]) == (0, b"", b"")


def test_a_command_that_does_not_exist_is_an_error(api, gateway):
    """In the words of the container runtime."""
    with pytest.raises(MeshError, match="no-such-thing"):
        api.execute("istio-system", *gateway, ["/no-such-thing"])


def test_a_command_that_does_not_end_is_given_up(api, gateway):
    """After its time."""
    with pytest.raises(MeshError, match="not done after 1 s"):
        api.execute("istio-system", *gateway, ["sleep", "5"], timeout=1)


def test_ports_are_forwarded(api, gateway):
    """One connection, to the loopback of the pod."""
    with api.forward("istio-system", gateway[0], 15000) as connection:
        connection.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_a_port_where_nothing_listens_ends(api, gateway):
    """No connection, no bytes."""
    with api.forward("istio-system", gateway[0], 9) as connection:
        assert connection.recv(1) == b""


def test_logs_are_read_and_followed(api, gateway):
    """What was written; then line by line until it is closed."""
    written = api.logs("istio-system", *gateway)
    assert len(api.logs("istio-system", *gateway, tailLines=2).splitlines()) <= 2
    lines = api.follow("istio-system", *gateway, since_seconds=3600 * 24 * 365)
    whole = written.encode().split(b"\n")[:-1]
    assert [next(lines) for _ in whole] == whole
    closing = threading.Timer(0.2, lines.close)  # while the other thread waits for a line
    closing.start()
    assert all(isinstance(each, bytes) for each in lines)
    closing.join()


def test_a_context_that_does_not_exist_is_named(context):
    """And what lists those that do."""
    with pytest.raises(MeshError, match=r"context nowhere-.*kubectl config get-contexts"):
        Api(f"nowhere-{context}")
