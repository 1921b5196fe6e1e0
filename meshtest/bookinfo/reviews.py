"""Bookinfo's reviews, after LibertyRestEndpoint.java: v1 without ratings, v2 with black stars, v3 with red ones."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Mapping

from meshtest.bookinfo.forwarding import CONTEXT, TRACE, forwarded
from meshtest.bookinfo.message import Request, Response, json_response, plain_error
from meshtest.bookinfo.plan import Instance
from meshtest.bookinfo.upstream import UpstreamError, Upstreams

# What the image build of each version sets; the container's own environment goes before it.
_IMAGE_ENV = {
    "v1": {"ENABLE_RATINGS": "false"},
    "v2": {"ENABLE_RATINGS": "true"},
    "v3": {"ENABLE_RATINGS": "true", "STAR_COLOR": "red"},
}
_TEXTS = {
    "Reviewer1": "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!",
    "Reviewer2": "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.",
}
_UNAVAILABLE: Mapping[str, object] = {"error": "Ratings service is currently unavailable"}
_PATH = re.compile(r"/reviews/(-?\d{1,10})")
_FORWARDED = TRACE | CONTEXT | {"end-user"}


def authorities(version: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Where a version calls ratings, as `host:port`, with this environment of its container; nowhere if it does not."""
    env = _environment(version, env)
    domain = f".{env['SERVICES_DOMAIN']}" if "SERVICES_DOMAIN" in env else ""
    where = f"{env.get('RATINGS_HOSTNAME', 'ratings')}{domain}:{env.get('RATINGS_SERVICE_PORT', '9080')}"
    return (where,) if env.get("ENABLE_RATINGS", "").lower() == "true" else ()


def _environment(version: str, env: Mapping[str, str]) -> dict[str, str]:
    return {**_IMAGE_ENV.get(version, {}), **env}


class Reviews:
    """The application of one reviews pod."""

    def __init__(self, instance: Instance, upstreams: Upstreams) -> None:
        env = _environment(instance.version, instance.env)
        self._upstreams = upstreams
        self._ratings = authorities(instance.version, instance.env)
        self._color = env.get("STAR_COLOR", "black")
        self._timeout = 10.0 if self._color == "black" else 2.5
        self._podname = instance.says
        self._clustername = env.get("CLUSTER_NAME", "null")

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """``/health`` and ``/reviews/<id>``."""
        path = request.path
        found = _PATH.fullmatch(path)
        if path != "/health" and found is None:
            return plain_error(404)
        if request.method not in ("GET", "HEAD"):
            return plain_error(405)
        if found is None:
            return json_response({"status": "Reviews is healthy"})
        product = int(found.group(1))
        return self._with_ratings(product, request) if self._ratings else self._page(product, {})

    async def _with_ratings(self, product: int, request: Request) -> Response:
        stars = await self._stars(product, request)
        shown = {
            name: {"stars": stars[name], "color": self._color} if name in stars else _UNAVAILABLE for name in _TEXTS
        }
        return self._page(product, shown)

    async def _stars(self, product: int, request: Request) -> dict[str, int]:
        """The ratings by reviewer; empty without an answer 200. A 200 that is no JSON raises, as in the original."""
        try:
            answer = await self._upstreams.get(
                self._ratings[0], f"/ratings/{product}", forwarded(request, _FORWARDED), self._timeout
            )
        except (UpstreamError, TimeoutError):
            return {}
        if answer.status != 200:
            return {}
        ratings = json.loads(answer.body).get("ratings", {})
        return {name: int(stars) for name, stars in ratings.items() if name in _TEXTS}

    def _page(self, product: int, ratings: Mapping[str, Mapping[str, object]]) -> Response:
        reviews = [
            {"reviewer": name, "text": text, **({"rating": ratings[name]} if name in ratings else {})}
            for name, text in _TEXTS.items()
        ]
        return json_response(
            {"id": str(product), "podname": self._podname, "clustername": self._clustername, "reviews": reviews}
        )
