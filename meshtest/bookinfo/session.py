"""productpage's login session: a cookie that carries the user's name, signed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

COOKIE = "session"
# No secret: a session is to hold whichever pod answers, and those of a cluster share nothing else. It guards nothing.
_KEY = b"meshtest.bookinfo.session"


def issue(user: str) -> str:
    """The value of the ``Set-Cookie`` header that logs ``user`` in."""
    name = base64.urlsafe_b64encode(user.encode()).decode().rstrip("=")
    return f"{COOKIE}={name}.{_signature(name)}; HttpOnly; Path=/"


def revoke() -> str:
    """The value of the ``Set-Cookie`` header that logs out."""
    return f"{COOKIE}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/"


def user_of(cookies: str | None) -> str:
    """The user in a ``Cookie`` header; empty without a session or with a forged one."""
    for cookie in (cookies or "").split(";"):
        key, _, value = cookie.strip().partition("=")
        name, _, signature = value.partition(".")
        if key == COOKIE and hmac.compare_digest(signature.encode(), _signature(name).encode()):
            return _decode(name)
    return ""


def _signature(name: str) -> str:
    return hmac.new(_KEY, name.encode(), hashlib.sha256).hexdigest()


def _decode(name: str) -> str:
    try:
        return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
