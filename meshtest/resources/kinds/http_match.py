"""What an HTTP request must look like for a rule to apply (`HTTPMatchRequest`)."""

from __future__ import annotations

from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.gateway_names import GATEWAY_NAMES
from meshtest.resources.kinds.labels import LABELS
from meshtest.resources.kinds.string_match import ABSENT_MATCH, STRING_MATCH, URI_MATCH
from meshtest.resources.schema import FLAG, TEXT, MapOf, Message, Report, Text, Whole


class _HeaderMatches:
    """Header matches by the header's name; claims of a token, which Istio writes as headers, are not implemented."""

    def __init__(self, match: Message) -> None:
        self.inner = MapOf(match, name.matched_header)

    def read(self, value: Any, path: Path, report: Report) -> Any:
        out = self.inner.read(value, path, report)
        for key in filter(name.claim, out):
            report((*path, key), "matching claims of a token is not implemented by the local mesh", unsupported=True)
        return out


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
        "sourceLabels": LABELS,
        "sourceNamespace": Text(lambda text: name.label(text) if text else None),
        "gateways": GATEWAY_NAMES,
        "statPrefix": TEXT,
    }
)
