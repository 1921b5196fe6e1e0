"""Bookinfo's productpage, after productpage.py: the HTML page, the login and the JSON API, with its deliberate bug."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Mapping
from urllib.parse import parse_qs

from meshtest.bookinfo import session
from meshtest.bookinfo.forwarding import CONTEXT, TRACE, forwarded
from meshtest.bookinfo.message import HTML, Request, Response, json_response, plain_error
from meshtest.bookinfo.page import PRODUCT, Outcome, index_page, product_page
from meshtest.bookinfo.plan import Instance
from meshtest.bookinfo.upstream import UpstreamError, Upstreams

_TIMEOUT = 3.0  # seconds, of each call
_REVIEWS_TRIES = 2  # the bug that Istio's fault injection task finds: its 10 s delay is not waited for
_API = re.compile(r"/api/v1/products(?:/([^/]+)(?:/(reviews|ratings))?)?")
_METHODS = {"/login": "POST"}
_PAGES = frozenset({"/", "/index.html", "/health", "/login", "/logout", "/productpage"})


class ProductPage:
    """The application of one productpage pod."""

    def __init__(self, instance: Instance, upstreams: Upstreams) -> None:
        env = instance.env
        self._upstreams = upstreams
        self._authority = authorities(env)
        self._flood = int(env.get("FLOOD_FACTOR", "0"))

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """Routes as the original's Flask application does."""
        path = request.path
        api = _API.fullmatch(path)
        if api is None and path not in _PAGES:
            return plain_error(404)
        method = _METHODS.get(path, "GET")
        if request.method == "OPTIONS":
            allowed = f"{method}, OPTIONS" if method == "POST" else "GET, HEAD, OPTIONS"
            return Response(200, headers=(("allow", allowed),))
        if request.method != method and (request.method, method) != ("HEAD", "GET"):
            return plain_error(405)
        return self._api(api, request) if api else self._page(path, request)

    def _page(self, path: str, request: Request) -> Response | Awaitable[Response]:
        match path:
            case "/health":
                return Response(200, b"Product page is healthy", HTML)
            case "/login":
                user = parse_qs(f"{request.query}&{request.body.decode('latin-1')}").get("username", [""])[0]
                return _back(request, session.issue(user))
            case "/logout":
                return _back(request, session.revoke())
            case "/productpage":
                return self._front(request)
        return Response(200, index_page({f"http://{host}": name for name, host in self._authority.items()}), HTML)

    def _api(self, path: re.Match[str], request: Request) -> Response | Awaitable[Response]:
        product, part = path.groups()
        if product is None:
            return json_response([PRODUCT])
        return self._relay(part or "details", product, _handed_on(request))

    async def _relay(self, service: str, product: str, headers: list[tuple[str, str]]) -> Response:
        status, answer = await self._call(service, product, headers)
        return json_response(answer, status)

    async def _front(self, request: Request) -> Response:
        headers = _handed_on(request)
        details = await self._call("details", "0", headers)
        for _ in range(self._flood):
            await self._call("reviews", "0", headers)
        reviews = await self._call("reviews", "0", headers)
        user = session.user_of(request.header("cookie"))
        return Response(200, product_page(user, details, reviews), HTML)

    async def _call(self, service: str, product: str, headers: list[tuple[str, str]]) -> Outcome:
        """Status and JSON of a service's answer; with any status but 200, or none (then 500), the page's apology."""
        status = 500
        for _ in range(_REVIEWS_TRIES if service == "reviews" else 1):
            try:
                answer = await self._upstreams.get(self._authority[service], f"/{service}/{product}", headers, _TIMEOUT)
            except (UpstreamError, TimeoutError):
                status = 500
                continue
            if answer.status == 200:
                return 200, json.loads(answer.body)
            status = answer.status
        return status, {"error": f"Sorry, product {service} are currently unavailable for this book."}


def authorities(env: Mapping[str, str]) -> dict[str, str]:
    """Where it calls each Service, as `host:port`, with this environment of its container."""
    return {name: _authority(name, env) for name in ("details", "reviews", "ratings")}


def _authority(service: str, env: Mapping[str, str]) -> str:
    """Where a service is called, as the container's environment says."""
    host = env.get(f"{service.upper()}_HOSTNAME", service)
    domain = f".{env['SERVICES_DOMAIN']}" if "SERVICES_DOMAIN" in env else ""
    return f"{host}{domain}:{env.get(f'{service.upper()}_SERVICE_PORT', '9080')}"


def _handed_on(request: Request) -> list[tuple[str, str]]:
    """The headers for the calls. ``end-user`` comes from the session alone: a header of that name is dropped."""
    user = session.user_of(request.header("cookie"))
    return ([("end-user", user)] if _fits_header(user) else []) + forwarded(request, TRACE | CONTEXT)


def _fits_header(user: str) -> bool:
    return bool(user) and user.isprintable() and user.isascii()


def _back(request: Request, cookie: str) -> Response:
    """To where the user came from. Without a referrer the original redirects to nowhere; here to the page."""
    place = request.header("referer") or "/productpage"
    body = b"<!doctype html>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n"
    return Response(302, body, HTML, (("location", place), ("set-cookie", cookie), ("vary", "Cookie")))
