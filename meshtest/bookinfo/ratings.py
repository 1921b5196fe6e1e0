"""Bookinfo's ratings, after ratings.js: ratings kept in memory, and the variants that fail, delay or turn unhealthy."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable

from meshtest.bookinfo.message import Request, Response, json_response
from meshtest.bookinfo.plan import Instance

_DEFAULT = {"Reviewer1": 5, "Reviewer2": 4}
_NUMBER = re.compile(r"\s*([+-]?\d+)")  # what JavaScript's parseInt reads
_DELAY = 7.0  # seconds, of half the answers of v-delayed
_TOGGLE = {"v-unavailable": 60.0, "v-unhealthy": 900.0}  # seconds until the state flips
_POST_IS_NUMERIC = {"error": "please provide numeric product ID"}


class Ratings:
    """The application of one ratings pod; ``chance`` (0..1) and ``clock`` (seconds) can be given for tests."""

    def __init__(
        self,
        instance: Instance,
        *,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._version = instance.env.get("SERVICE_VERSION", instance.version)
        self._database = instance.env.get("DB_TYPE", "mongodb")
        self._added: dict[int, object] = {}
        self._chance, self._clock, self._started = chance, clock, clock()

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """``/health`` and ``/ratings/<id>``; GET reads, POST stores."""
        path = request.path
        if path == "/health" and request.method == "GET":
            return self._health()
        if not path.startswith("/ratings/") or request.method not in ("GET", "POST"):
            return Response(404)
        found = _NUMBER.match(path.rpartition("/")[2])
        if found is None:
            return json_response(_POST_IS_NUMERIC, 400)
        product = int(found.group(1))
        return self._store(product, request.body) if request.method == "POST" else self._read(product)

    def _health(self) -> Response:
        if self._version == "v-unhealthy" and self._down:
            return json_response({"status": "Ratings is not healthy"}, 500)
        return json_response({"status": "Ratings is healthy"})

    @property
    def _down(self) -> bool:
        """Whether v-unavailable or v-unhealthy is in its bad half: the second of each pair of periods."""
        period = _TOGGLE.get(self._version)
        return period is not None and int((self._clock() - self._started) / period) % 2 == 1

    def _store(self, product: int, body: bytes) -> Response:
        try:
            ratings = json.loads(body)
        except ValueError:
            return json_response({"error": "please provide valid ratings JSON"}, 400)
        if self._version == "v2":
            return json_response({"error": "Post not implemented for database backed ratings"}, 501)
        self._added[product] = ratings
        return self._local(product)

    def _read(self, product: int) -> Response | Awaitable[Response]:
        if self._version == "v2":  # needs a database, which no stand-in plays: what the original says when it has none
            return json_response(
                {"error": "could not connect to ratings database"}, 200 if self._database == "mysql" else 500
            )
        if self._down or (self._version == "v-faulty" and self._chance() <= 0.5):
            return json_response({"error": "Service unavailable"}, 503)
        if self._version == "v-delayed" and self._chance() <= 0.5:
            return self._late(product)
        return self._local(product)

    async def _late(self, product: int) -> Response:
        await asyncio.sleep(_DELAY)
        return self._local(product)

    def _local(self, product: int) -> Response:
        return json_response({"id": product, "ratings": self._added.get(product, _DEFAULT)})
