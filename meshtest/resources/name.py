"""Names as Kubernetes, DNS and HTTP allow them: each check says what is wrong with a text, or None."""

from __future__ import annotations

import re
from ipaddress import ip_address

_LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_FIRST_LABEL = re.compile(rf"\*|(?:\*-?)?{_LABEL.pattern}")
_OBJECT = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(rf"(?:[-a-zA-Z0-9.]+/)?(?=.){_LABEL_VALUE.pattern}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_INTERNAL = ("host", ":authority")


def address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def label(text: str) -> str | None:
    """A DNS label (RFC 1123), such as the name of a namespace or of a subset."""
    if len(text) <= 63 and _LABEL.fullmatch(text):
        return None
    return f"must be letters, digits and `-`, from 1 to 63 of them; this is {text!r}"


def object_name(text: str) -> str | None:
    """The name of a Kubernetes object (a DNS subdomain)."""
    if len(text) <= 253 and _OBJECT.fullmatch(text):
        return None
    return f"must be of small letters, digits, `-` and `.`; this is {text!r}"


def host(text: str) -> str | None:
    """A host name, perhaps with `*` in place of its first label or of the beginning of it."""
    first, dot, rest = text.partition(".")
    labels = rest.split(".") if dot else []
    if not text or len(text) > 255:
        return "must be a host name of 1 to 255 characters"
    if labels and labels[-1].isdecimal():
        return f"is no host name: the last part of {text!r} is a number"
    if not _FIRST_LABEL.fullmatch(first) or len(first) > 63 or any(label(each) for each in labels):
        star = "; `*` may only stand for its first part" if "*" in text else ""
        return f"is no host name: {text!r}{star}"
    return None


def host_or_address(text: str) -> str | None:
    """A host name as above, or an IP address."""
    return None if address(text) else host(text)


def destination_host(text: str) -> str | None:
    """Where traffic goes: any host but all of them."""
    return "must name one host: `*` is none to send to" if text == "*" else host(text)


def gateway_host(text: str) -> str | None:
    """A host of a Gateway's server, `[namespace/]host`: a full name, a wildcard, or `*`."""
    namespace, slash, name = text.rpartition("/")
    if slash and namespace not in ("*", ".") and label(namespace):
        return f"must start with a namespace, `.` or `*` before the `/`; this is {text!r}"
    if name != "*" and "." not in name and not address(name):
        return f"must be a full name such as {name or 'reviews'}.example.com, or *; short names are not allowed here"
    if "*" in name[1:] or (name.startswith("*") and name != "*" and not name.startswith("*.")):
        return f"`*` may only stand for the whole first part of a host, as in *.example.com; this is {text!r}"
    return host_or_address(name)


def gateway(text: str) -> str | None:
    """The name of a gateway, `[namespace/]name`, or `mesh`."""
    namespace, slash, name = text.rpartition("/")
    if not slash:
        return None if host(text) is None and "*" not in text else f"is no name of a gateway: {text!r}"
    if (namespace != "." and label(namespace)) or label(name):
        return f"must be namespace/name; this is {text!r}"
    return None


def namespace(text: str) -> str | None:
    """A namespace in `exportTo`: a name, `.` for its own, `*` for all."""
    return None if text in (".", "*") else label(text)


def label_key(text: str) -> str | None:
    """The key of a Kubernetes label."""
    if _LABEL_KEY.fullmatch(text) and len(text.rpartition("/")[2]) <= 63:
        return None
    return f"is no key of a label: {text!r}"


def label_value(text: str) -> str | None:
    """The value of a Kubernetes label."""
    if _LABEL_VALUE.fullmatch(text) and len(text) <= 63:
        return None
    return f"is no value of a label: {text!r}; up to 63 letters, digits, `-`, `_` and `.`"


def header(text: str) -> str | None:
    """The name of a header, in a match or in CORS."""
    return None if _TOKEN.fullmatch(text) else f"is no name of an HTTP header: {text!r}"


def changed_header(text: str) -> str | None:
    """The name of a header that is set, added or removed."""
    if text.startswith(":") or text.lower() == "host":
        return f"{text!r} cannot be changed here; to change the host of a request, set `host` in headers.request, or use rewrite.authority"
    return header(text)


def request_header(text: str) -> str | None:
    """The name of a request header that is set or added: the host may be, too."""
    return None if text.lower() in _INTERNAL else changed_header(text)


def header_value(text: str) -> str | None:
    """The value of a header that is set or added; Envoy puts values in place of `%NAME%`."""
    if text.count("%") % 2:
        return f"holds a single `%`: write %% for the sign itself, or %NAME% for what Envoy knows; this is {text!r}"
    return None
