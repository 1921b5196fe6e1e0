"""What an HTTP request must look like for a rule to apply (`HTTPMatchRequest`)."""

from __future__ import annotations

from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.string_match import ABSENT_MATCH, STRING_MATCH, URI_MATCH
from meshtest.resources.schema import FLAG, TEXT, ListOf, MapOf, Message, Report, Text, Whole


class _HeaderMatches:
    """Header matches by the header's name; claims of a token, which Istio writes as headers, are not implemented."""

    def __init__(self, match: Message) -> None:
        self._match = MapOf(match, name.header)

    def read(self, value: Any, path: Path, report: Report) -> Any:
        claims = (
            [key for key in value if str(key).lower().startswith("@request.auth.claims")]
            if isinstance(value, dict)
            else []
        )
        for key in claims:
            report(
                (*path, str(key)), "matching claims of a token is not implemented by the local mesh", unsupported=True
            )
        return self._match.read(
            {key: value[key] for key in value if key not in claims} if claims else value, path, report
        )


HTTP_MATCH = Message(
    {
        "name": TEXT,
        "uri": URI_MATCH,
        "scheme": STRING_MATCH,
        "method": STRING_MATCH,
        "authority": STRING_MATCH,
        "headers": _HeaderMatches(STRING_MATCH),
        "withoutHeaders": _HeaderMatches(ABSENT_MATCH),
        "queryParams": MapOf(STRING_MATCH),
        "ignoreUriCase": FLAG,
        "port": Whole(0, 65535),
        "sourceLabels": MapOf(Text(name.label_value), name.label_key),
        "sourceNamespace": Text(lambda text: name.label(text) if text else None),
        "gateways": ListOf(Text(name.gateway)),
        "statPrefix": TEXT,
    }
)
