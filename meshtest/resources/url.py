"""URLs as Go's `net/url` reads them, which is what the CRDs' `isURL` and istiod go by."""

from __future__ import annotations

import re

from meshtest.resources.name import address

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):", re.ASCII)
_PORT = re.compile("[0-9]*")
_LITERAL = re.compile(r"\[(.*)\](?::[0-9]*)?", re.DOTALL)
_HOST = re.compile(r"""(?:[A-Za-z0-9\-_.~!$&'()*+,;=<>"]|%25|%[89a-fA-F][0-9a-fA-F]|[^\x00-\x7f])*""")
_USER = re.compile(r"(?:[A-Za-z0-9\-._:~!$&'()*+,;=@]|%[0-9a-fA-F]{2})*")
_BROKEN_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")


def scheme(text: str) -> str | None:
    """The scheme of a URL in small letters, empty if it has none; None if this is no URL that a request can be for."""
    if not text or _CONTROL.search(text) or text.startswith(":"):
        return None
    found = _SCHEME.match(text)
    name, rest = (found[1].lower(), text[found.end() :]) if found else ("", text)
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        return name if name or text == "*" else None
    if name and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        if not _authority(authority):
            return None
    return None if _BROKEN_ESCAPE.search(rest) else name


def _authority(text: str) -> bool:
    user, _, host = text.rpartition("@")
    if not _USER.fullmatch(user):
        return False
    if found := _LITERAL.fullmatch(host):
        return ":" in found[1] and address(found[1].replace("%25", "%"))
    name, _, port = host.partition(":")
    return bool(_HOST.fullmatch(name)) and bool(_PORT.fullmatch(port))
