"""Names as Kubernetes, DNS and HTTP allow them: each check says what is wrong with a text, or None."""

from __future__ import annotations

import re
from ipaddress import ip_address

_LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_FIRST_LABEL = re.compile(rf"\*|(?:\*-?)?{_LABEL.pattern}")
_OBJECT = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(
    rf"(?:(?P<domain>{_LABEL.pattern}(?:\.{_LABEL.pattern})*)/)?(?P<name>(?=.){_LABEL_VALUE.pattern})"
)
_BITS = re.compile(r"0|[1-9][0-9]{0,2}")
_TOKEN = re.compile(r"[!#$%&'*+,.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2, and the comma, which istiod takes
_PSEUDO = (":method", ":scheme", ":authority", ":path", ":status")
_CLAIM = re.compile(r"@request\.auth\.claims(?:\..+|\[.+\])", re.IGNORECASE | re.DOTALL)
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


def fqdn(text: str) -> str | None:
    """A host name without a wildcard; a dot may end it."""
    if not text or len(text) > 255:
        return "must be a host name of 1 to 255 characters"
    return _labels(text, text)


def _labels(text: str, whole: str) -> str | None:
    labels = text.split(".")
    if labels[-1].isdecimal() and int(labels[-1]) < 2**63:  # as Go's Atoi reads it
        return f"is no host name: the last part of {whole!r} is a number"
    if not labels[-1]:
        labels.pop()
    star = "; `*` may only stand for its first part" if "*" in text else ""
    return f"is no host name: {whole!r}{star}" if any(label(each) for each in labels) else None


def host(text: str) -> str | None:
    """A host name, perhaps with `*` in place of its first label or of the beginning of it."""
    first, dot, rest = text.partition(".")
    if not text or len(text) > 255:
        return "must be a host name of 1 to 255 characters"
    if not _FIRST_LABEL.fullmatch(first) or len(first) > 63:
        star = "; `*` may only stand for its first part" if "*" in first else ""
        return f"is no host name: {text!r}{star}"
    return _labels(rest, text) if dot else None


def host_or_address(text: str) -> str | None:
    """A host name as above, or an IP address."""
    return None if address(text) else host(text)


def ip_address_only(text: str) -> str | None:
    """An IP address."""
    return None if address(text) else f"must be an IP address; this is {text!r}"


def subnet(text: str) -> str | None:
    """An IP address or a range of them, `10.0.0.0/8`."""
    given, slash, bits = text.partition("/")
    most = 128 if ":" in given else 32
    if not address(given):
        return f"must be an IP address, or a range such as 10.0.0.0/8; this is {text!r}"
    if slash and ("%" in given or not _BITS.fullmatch(bits) or int(bits) > most):
        return f"must end in a number of bits, /0 to /{most}; this is {text!r}"
    return None


def destination_host(text: str) -> str | None:
    """Where traffic goes: any host but all of them."""
    return "must name one host: `*` is none to send to" if text == "*" else host(text)


def gateway_host(text: str) -> str | None:
    """A host of a Gateway's server, `[namespace/]host`: a full name, a wildcard, or `*`."""
    namespace, slash, name = text.partition("/")
    if not slash:
        return _full(text) or host_or_address(text)
    if namespace not in ("*", ".") and label(namespace):
        return f"must start with a namespace, `.` or `*` before the `/`; this is {text!r}"
    return _full(name) or host_or_address(name)


def egress_host(text: str) -> str | None:
    """A host that a Sidecar imports, `namespace/host`; a `~` before the namespace excludes it."""
    namespace, slash, name = text.partition("/")
    if not slash:
        return f"must be namespace/host, such as ./{text or '*'} or */{text or '*'}; this is {text!r}"
    known = namespace.removeprefix("~")
    if not namespace or (known not in ("", "*", ".") and label(known)):
        return f"must start with a namespace, `.`, `*` or `~` before the `/`; this is {text!r}"
    return _full(name) or host(name)


def _full(name: str) -> str | None:
    if name != "*" and "." not in name:
        return f"must be a full name such as {name or 'reviews'}.example.com, or *; short names are not allowed here"
    if "*" in name and name != "*" and not name.startswith("*."):
        return f"`*` may only stand for the whole first part of a host, as in *.example.com; this is {name!r}"
    return None


def gateway(text: str) -> str | None:
    """The name of a gateway, `[namespace/]name`, or `mesh`."""
    namespace, slash, name = text.partition("/")
    if not slash:
        return None if fqdn(text) is None else f"is no name of a gateway: {text!r}"
    if label(namespace) or label(name):
        return f"must be namespace/name; this is {text!r}"
    return None


def namespace(text: str) -> str | None:
    """A namespace in `exportTo`: a name, `.` for its own, `*` for all."""
    return None if text in (".", "*") else label(text)


def label_key(text: str) -> str | None:
    """The key of a Kubernetes label."""
    found = _LABEL_KEY.fullmatch(text)
    if found and len(found["name"]) <= 63 and len(found["domain"] or "") <= 253:
        return None
    return f"is no key of a label: {text!r}"


def label_value(text: str) -> str | None:
    """The value of a label to select by; istiod sets no limit to its length."""
    if _LABEL_VALUE.fullmatch(text):
        return None
    return f"is no value of a label: {text!r}; letters and digits, with `-`, `_` and `.` between them"


def header(text: str) -> str | None:
    """The name of a header, in CORS."""
    return None if _TOKEN.fullmatch(text) else f"is no name of an HTTP header: {text!r}"


def claim(text: str) -> bool:
    """Whether a name in a header match stands for a claim of a token (`pkg/jwt/routing.go`)."""
    return bool(_CLAIM.fullmatch(text))


def matched_header(text: str) -> str | None:
    """The name of a header, a pseudo-header or a claim, in a match."""
    return None if text in _PSEUDO or claim(text) else header(text)


def changed_header(text: str) -> str | None:
    """The name of a header that is set, added or removed."""
    if not text:
        return "a name of a header must not be empty"
    if text.startswith(":") or text.lower() == "host":
        return f"{text!r} cannot be changed here; to change the host of a request, set `host` in headers.request, or use rewrite.authority"
    return None


def request_header(text: str) -> str | None:
    """The name of a request header that is set or added: the host may be, too."""
    return None if text.lower() in _INTERNAL else changed_header(text)
