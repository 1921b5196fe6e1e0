"""ratings: reading, storing, and the variants that misbehave."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import Counter

import pytest

from meshtest.bookinfo.message import Request, Response
from meshtest.bookinfo.plan import Instance
from meshtest.bookinfo.ratings import Ratings
from tests.bookinfo.workloads import Workloads, instance

DEFAULT = {"Reviewer1": 5, "Reviewer2": 4}


def ask(ratings: Ratings, target: str, method: str = "GET", body: bytes = b"") -> Response:
    """An answer that needs no waiting."""
    answer = ratings.answer(Request(method, target, [], body))
    assert isinstance(answer, Response)
    return answer


def of_version(
    version: str, chance: float = 0.0, clock: list[float] | None = None, env: dict[str, str] | None = None
) -> Ratings:
    times = clock or [0.0]
    pod = Instance("ratings-x", "ratings", (), version=version, env=env or {})
    return Ratings(pod, chance=lambda: chance, clock=lambda: times[-1])


def test_reading(bookinfo: Workloads) -> None:
    """The original's ratings, of any product."""
    answer = bookinfo.get("ratings-v1", "/ratings/3")
    assert (answer.status_code, answer.json()) == (200, {"id": 3, "ratings": DEFAULT})
    assert bookinfo.get("ratings-v1", "/health").json() == {"status": "Ratings is healthy"}


@pytest.mark.parametrize(
    ("target", "status", "product"),
    [
        ("/ratings/12abc", 200, 12),
        ("/ratings/-1", 200, -1),
        ("/ratings/0?x=/1", 200, 0),
        ("/ratings/a/5", 200, 5),
        ("/ratings/", 400, None),
        ("/ratings/abc", 400, None),
        ("/ratings", 404, None),
        ("/", 404, None),
    ],
)
def test_the_product_is_read_as_javascript_does(target: str, status: int, product: int | None) -> None:
    """The last segment's leading number counts; none at all is a 400."""
    answer = ask(of_version("v1"), target)
    assert answer.status == status
    if product is not None:
        assert json.loads(answer.body)["id"] == product
    if status == 400:
        assert json.loads(answer.body) == {"error": "please provide numeric product ID"}


def test_storing(run: type[Workloads]) -> None:
    """What is posted is read back, for its product only."""
    mesh = run(instance("ratings-v1", "ratings"))
    mine = {"Reviewer1": 1, "Somebody": "x"}
    stored = mesh.client.post(mesh.url("ratings-v1", "/ratings/1"), json=mine)
    assert (stored.status_code, stored.json()) == (200, {"id": 1, "ratings": mine})
    assert mesh.get("ratings-v1", "/ratings/1").json()["ratings"] == mine
    assert mesh.get("ratings-v1", "/ratings/0").json()["ratings"] == DEFAULT


@pytest.mark.parametrize(
    ("version", "target", "body", "status", "error"),
    [
        ("v1", "/ratings/0", b"{", 400, "please provide valid ratings JSON"),
        ("v1", "/ratings/x", b"{}", 400, "please provide numeric product ID"),
        ("v2", "/ratings/0", b"{}", 501, "Post not implemented for database backed ratings"),
    ],
)
def test_refused_storing(version: str, target: str, body: bytes, status: int, error: str) -> None:
    """The original's refusals."""
    answer = ask(of_version(version), target, "POST", body)
    assert (answer.status, json.loads(answer.body)) == (status, {"error": error})


@pytest.mark.parametrize(("env", "status"), [({}, 500), ({"DB_TYPE": "mysql"}, 200)])
def test_v2_has_no_database(env: dict[str, str], status: int) -> None:
    """The database's version answers as the original without its database."""
    answer = ask(of_version("v2", env=env), "/ratings/0")
    assert (answer.status, json.loads(answer.body)) == (status, {"error": "could not connect to ratings database"})


def test_service_version_goes_before_the_label() -> None:
    """The container's SERVICE_VERSION decides, as in the original."""
    assert ask(of_version("v1", env={"SERVICE_VERSION": "v2"}), "/ratings/0").status == 500


@pytest.mark.parametrize(("chance", "status"), [(0.0, 503), (0.5, 503), (0.51, 200), (1.0, 200)])
def test_v_faulty(chance: float, status: int) -> None:
    """Half of the reads fail."""
    answer = ask(of_version("v-faulty", chance), "/ratings/0")
    assert answer.status == status
    assert json.loads(answer.body) == (
        {"error": "Service unavailable"} if status == 503 else {"id": 0, "ratings": DEFAULT}
    )


def test_v_faulty_by_its_own_chance(run: type[Workloads]) -> None:
    """In 100 reads both outcomes occur (a fair coin misses one of them with probability 2**-99)."""
    mesh = run(instance("ratings-v-faulty", "ratings", "v-faulty"))
    seen = Counter(mesh.get("ratings-v-faulty", "/ratings/0").status_code for _ in range(100))
    assert set(seen) == {200, 503}


def test_v_delayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the reads come 7 s late, the others at once."""
    assert ask(of_version("v-delayed", 0.51), "/ratings/0").status == 200
    late = of_version("v-delayed", 0.5).answer(Request("GET", "/ratings/0", [], b""))
    assert inspect.iscoroutine(late)
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert asyncio.run(late).status == 200
    assert slept == [7.0]


@pytest.mark.parametrize(("version", "period", "health"), [("v-unavailable", 60.0, 200), ("v-unhealthy", 900.0, 500)])
def test_versions_that_toggle(version: str, period: float, health: int) -> None:
    """Good for a period, bad for the next, and so on; only v-unhealthy says so in its health check."""
    clock = [1000.0]
    ratings = of_version(version, clock=clock)
    seen = []
    for passed in (0, period - 1, period + 1, 2 * period - 1, 2 * period + 1):
        clock.append(1000.0 + passed)
        seen.append((ask(ratings, "/ratings/0").status, ask(ratings, "/health").status))
    assert seen == [(200, 200), (200, 200), (503, health), (503, health), (200, 200)]
