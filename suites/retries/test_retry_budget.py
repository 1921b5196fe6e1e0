"""The retry budget: how many retries there may be at once."""

from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest

from meshtest import GET

pytestmark = pytest.mark.mesh_workloads("../town.yaml")

URL = "http://echo.example.com/1"
REQUEST = GET(URL)
FIRST, SECOND = {"x-envoy-attempt-count": "1"}, {"x-envoy-attempt-count": "2"}


def test_retries_at_once(mesh, ingress):
    """Only as many retries are under way as the budget allows: other requests get their first answer (503, UO), those two their retry's."""
    mesh.apply("test_retry_budget.yaml")
    echo = mesh.workload("echo-v1")
    echo.fails(503, headers=FIRST)
    with ThreadPoolExecutor(8) as threads, echo.holds(headers=SECOND) as hold:
        asked = [threads.submit(ingress.get, URL) for _ in range(8)]
        refused = [each.result() for each in islice(as_completed(asked), 6)]
        hold.wait(2)  # a retry begins some time after the failure
        assert {mesh.access_log(answer)[0].summary for answer in refused} == {"503 UO via_upstream"}
        assert hold.held == 2
        hold.release()
        assert sorted(each.result().status_code for each in asked) == [200] * 2 + [503] * 6


def test_retries_one_after_the_other(mesh, ingress):
    """The budget is of what is under way: one after the other each request is retried."""
    mesh.apply("test_retry_budget.yaml")
    mesh.workload("echo-v1").fails(503, headers=FIRST)
    assert ingress.measure(REQUEST, 20, connections=1).statuses() == {200: 20}
