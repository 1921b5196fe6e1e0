"""Others at work in the same namespace, and at the same gateway."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from .neighbour import TCP_PORT
from .places import path
from .runs import HOLDING

TCP = f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: lines}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: {TCP_PORT}, name: tcp, protocol: TCP}}, hosts: ["*"]}}]
"""


SECOND = """
def test_second(mesh, ingress):
    mesh.apply("canary.yaml")
    assert ingress.get("http://shop.example.com/reviews/0").status_code == 200
"""


def edit(api, namespace):
    """A colleague changes the test's DestinationRule."""
    changed = {"spec": {"trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}}
    kind = "application/merge-patch+json"
    api.send("PATCH", path(namespace), changed, content_type=kind, fieldManager="a-colleague")


def delete(api, namespace):
    """Somebody deletes it."""
    api.send("DELETE", path(namespace))


@pytest.mark.parametrize(
    ("change", "told"),
    [(edit, r"spec\.trafficPolicy\S* changed by a-colleague"), (delete, "deleted or replaced by someone")],
)
def test_a_foreign_change(api, shop, tests, change, told):
    """Someone changes what a test has in force: an error of that test, which names it; theirs stays, and the next test is not concerned."""
    tests.write(test_holding=HOLDING, test_second=SECOND)
    with tests.begun("test_holding.py", "test_second.py") as running:
        running.wait_until_in_force()
        change(api, shop)
        running.go_on()
        ended = running.end()
    if change is edit:
        assert api.get(path(shop))["spec"]["trafficPolicy"] == {"loadBalancer": {"simple": "RANDOM"}}
        delete(api, shop)
    assert ended.status == 11, ended.text
    assert "2 passed, 1 error" in ended.text
    assert "ERROR at teardown of test_holding" in ended.text
    assert "someone else changed what this run has in force; theirs stays as it is" in ended.text
    assert re.search(rf"DestinationRule {shop}/reviews: {told}", ended.text), ended.text


def test_the_second_of_two_runs(tests):
    """It refuses, and names the first; or waits for its end, if it is told to."""
    tests.write(test_holding=HOLDING, test_second=SECOND)
    with tests.begun("test_holding.py") as first:
        first.wait_until_in_force()
        refused = tests.run("test_second.py")
        with tests.begun("test_second.py", "--mesh-wait", 60) as second:
            assert second.process.poll() is None
            first.go_on()
            assert first.end().status == 0
            waited = second.end()
    assert refused.status == 11, refused.text
    assert re.search(
        rf"another run works in namespace {tests.namespace}: run \w+ \(.*, process {first.process.pid}\)", refused.text
    )
    assert waited.status == 0, waited.text


def test_another_gateway(neighbour, tests):
    """While tests take `*` on the port of somebody else's Gateway each of its requests is answered as before."""
    tests.write(
        everything=(tests.folder / "canary.yaml").read_text().replace("shop.example.com", "*"),
        test_everything="""
        from meshtest import GET, split

        def test_everything(mesh, ingress):
            mesh.apply("everything.yaml")
            ingress.expect(GET("/reviews/0"), split(v1=80, v2=20, within=20))
            assert ingress.get("http://any.example.com/reviews/0").request.headers["host"].startswith("any.example.com.")
        """,
    )
    ended, answers = Event(), []

    def ask():
        while not ended.is_set():
            answers.append(neighbour.ask())

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            run = tests.run()
        finally:
            ended.set()
        asking.result()
    assert run.status == 0, run.text
    assert len(answers) > 10
    assert set(answers) == {(200, neighbour.namespace)}


def test_a_port_of_somebody_else(neighbour, tests):
    """Lines have no hosts: a TCP port that is another's is refused, with file and line, and given to who insists."""
    tests.write(
        lines=TCP,
        test_lines="""
        def test_lines(mesh, ingress):
            mesh.apply("canary.yaml", "lines.yaml")
            assert ingress.get("http://shop.example.com/reviews/0").status_code == 200
        """,
    )
    ended = tests.run()
    assert ended.status == 1, ended.text
    taken = f"would take all connections on port {TCP_PORT} from Gateway {neighbour.namespace}/neighbour"
    assert re.search(rf"lines\.yaml:\d+: Gateway {tests.namespace}/lines .*{taken}", ended.text), ended.text
    insisting = tests.run("--mesh-insist")
    assert insisting.status == 0, insisting.text
