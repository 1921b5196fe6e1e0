"""Secrets never enter a report: what looks like one is replaced before anything is recorded.

Told by where it stands (a header, a member, a parameter or an option named `authorization`, `cookie`, `password`, `token`..., the data of a
Secret) and by its shape (bearer tokens, JSON Web Tokens, private keys, users in URLs, keys of well-known services). In doubt it is
replaced: a report that hides too much is a nuisance, one that hides too little an incident.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

HIDDEN = "[redacted]"
_OF_HEADERS = frozenset(
    {
        "value",
        "raw_value",
        "string_match",
        "exact_match",
        "prefix_match",
        "suffix_match",
        "contains_match",
        "safe_regex_match",
    }
)
_SHORT = 200  # characters
_KEPT = 50_000

# The end of a name: what stands before it is not looked at, so that a text of a megabyte takes no longer than a second.
_NAME = (
    r"(?:authorization|set-?cookie2?|(?<!http)cookies?|passw(?:or)?d|passphrase|passwd|pwd|secret|token|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|secret[_-]?key|signing[_-]?key|credentials?|signature|x-amz-security-token|session[_-]?id|csrf|x-forwarded-client-cert)"
)
_SENSITIVE = re.compile(rf"(?i)\A.*{_NAME}\Z", re.DOTALL)
_HARMLESS = frozenset({"httpcookie", "forwardoriginaltoken", "automountserviceaccounttoken"})

_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
# `authorization: x`, `"cookie": "x"`, `('password', 'x')`, `--token=x`, `token=x`: a quoted value to its quote, another to the line's end
# (or, of a parameter, to the next one): what is inside may hold any character.
_QUOTED = re.compile(rf"(?i)({_NAME}(?:\\?[\"'])?\s*[:=,]\s*b?)((?:\\?[\"']))(?:\\.|(?!\2).)*?(?:\2|$)", re.MULTILINE)
_PARAMETER = re.compile(rf"(?i)([?&;][\w.-]{{0,40}}{_NAME}=)[^&\s\"'#)\]]+")
_OPTION = re.compile(rf"(?i)(--[\w.-]{{0,40}}{_NAME}[= ])[^\s\"']+")
_PLAIN = re.compile(
    rf"(?i)({_NAME}(?:\\?[\"'])?[ \t]*[:=][ \t]*+)(?![\[{{|>]?[ \t]*$)(?![\"'\\]|\[redacted\])[^\n]+", re.MULTILINE
)
_COMMENT = re.compile(r"(?m)(?<!\S)#[^\n]*")
_PAIR = re.compile(r"(\bauth\s*=\s*\()[^)\n]*")
_SHAPES = (
    re.compile(r"(?i)(\b(?:bearer|basic|digest|negotiate)\s+)(?!realm|auth)[A-Za-z0-9._~+/=-]{6,}"),
    re.compile(r"(\b)eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"),
    re.compile(r"(\b[a-zA-Z][\w+.-]{0,20}://)[^/\s\"'@:]*:[^/\s\"'@]*(?=@)"),
    re.compile(r"(\b)(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"(\b)(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{8,}|sk_live_\w{10,})"),
)


def redacted(text: str) -> str:
    """A text from anywhere without secrets; its lines stay where they are."""
    text = _private_keys_hidden(text)
    for shape in _SHAPES:
        text = shape.sub(rf"\1{HIDDEN}", text)
    text = _QUOTED.sub(rf"\1\2{HIDDEN}\2", text)
    text = _PAIR.sub(rf"\1{HIDDEN}", text)
    text = _OPTION.sub(rf"\1{HIDDEN}", _PARAMETER.sub(rf"\1{HIDDEN}", text))
    return _PLAIN.sub(rf"\1{HIDDEN}", text)


@lru_cache(_KEPT)
def _known(text: str) -> str:
    """The same of a short text: configurations of proxies say the same over and over."""
    return redacted(text)


def _private_keys_hidden(text: str) -> str:
    return _PRIVATE_KEY.sub(lambda found: HIDDEN + "\n" * found[0].count("\n"), text)


@lru_cache(_KEPT)
def sensitive(name: str) -> bool:
    """Whether what stands under this name is a secret."""
    return bool(_SENSITIVE.match(name)) and name.lower() not in _HARMLESS


def redacted_value(value: Any) -> Any:
    """Plain data without secrets, in texts, in keys, and under names that say so."""
    if isinstance(value, str):
        return _known(value) if len(value) <= _SHORT else redacted(value)
    if isinstance(value, Mapping):
        value = _without_header(value)
        return {redacted_value(str(key)): _under(str(key), each) for key, each in value.items()}
    return [redacted_value(each) for each in value] if isinstance(value, list | tuple) else value


def _without_header(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A header as Envoy's configuration has it: by its name, and beside it what it is set to or compared with."""
    name = value.get("key", value.get("name"))
    if not (isinstance(name, str) and sensitive(name)):
        return value
    return {key: HIDDEN if key in _OF_HEADERS else each for key, each in value.items()}


def _under(name: str, value: Any) -> Any:
    hidden = sensitive(name) and value not in (None, "", 0, False) and not isinstance(value, bool | int | float)
    return HIDDEN if hidden else redacted_value(value)


@cache
def redacted_yaml(text: str) -> str:
    """A manifest without secrets: the values under names that say so, all of a Secret's data; its lines stay where they are.

    It stays YAML; what is none is treated as text.
    """
    import yaml

    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        roots = [each for each in yaml.compose_all(text, Loader=loader) if each is not None]
    except (yaml.YAMLError, ValueError, RecursionError):
        return redacted(text)
    places = dict(sorted(((begin, end), hidden) for root in roots for begin, end, hidden in _scalars(root)))
    for (begin, end), hidden in reversed(places.items()):  # of an alias that is also a secret the latter counts
        given = text[begin:end]
        shown = HIDDEN + "\n" * given.count("\n") if hidden else redacted(given)
        text = text[:begin] + shown + text[end:]
    return _COMMENT.sub(lambda found: redacted(found[0]), _private_keys_hidden(text))


def _scalars(root: Any) -> Iterator[tuple[int, int, bool]]:
    """Where texts stand, without their quotes, and whether each is a secret: (begin, end, hidden)."""
    import yaml

    seen, waiting = set[tuple[int, bool]](), [(root, False)]
    while waiting:
        node, hidden = waiting.pop()
        if (id(node), hidden) in seen:
            continue
        seen.add((id(node), hidden))
        if isinstance(node, yaml.MappingNode):
            secret = _is_secret(node)
            waiting += [(value, hidden or _hides(key, secret)) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(each, hidden) for each in node.value]
        elif node.value:
            quote = 1 if node.style in ('"', "'") else 0
            yield node.start_mark.index + quote, node.end_mark.index - quote, hidden


def _is_secret(node: Any) -> bool:
    """Whether a mapping is a Kubernetes Secret."""
    return any(
        getattr(key, "value", "") == "kind" and getattr(value, "value", "") == "Secret" for key, value in node.value
    )


def _hides(key: Any, of_secret: bool) -> bool:
    name = str(getattr(key, "value", ""))
    return sensitive(name) or (of_secret and name in ("data", "stringData"))
