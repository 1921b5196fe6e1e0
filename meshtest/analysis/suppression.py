"""Findings that are not wanted: by option (`MT0101`, `MT0101=Kind/name.namespace`, `MT0101=Kind name.namespace`), or by annotation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from meshtest.analysis.catalogue import CODES
from meshtest.analysis.finding import Finding
from meshtest.resources.resource import Resource
from meshtest.resources.schema import nearest

OWN, ISTIO = "meshtest.dev/suppress", "galley.istio.io/analyze-suppress"


@dataclass(frozen=True)
class Suppression:
    """A code of meshtest's or of Istio's, `*` for all, and the resources it is for, `*` for all (wildcards as istioctl has them)."""

    code: str
    resource: str = "*"

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is not wanted."""
        if self.code not in ("*", finding.code.name, finding.code.istio):
            return False
        found = finding.resource
        return fnmatchcase(f"{found.kind} {found.name}.{found.namespace}", self.resource) or self.resource == "*"


def suppression(text: str) -> Suppression:
    """A suppression as the command line has it; ValueError says what is wrong with it."""
    code, equals, resource = text.strip().partition("=")
    known = {*CODES, *(each.istio for each in CODES.values() if each.istio), "*"}
    if code not in known:
        raise ValueError(f"there is no code {code!r}{nearest(code, known)}")
    if not equals:
        return Suppression(code)
    name = resource.strip()
    kind, separator, rest = name.partition(" ") if " " in name else name.partition("/")
    if name != "*" and not separator:
        raise ValueError(
            f"{resource!r} names no resource; write Kind/name.namespace, such as VirtualService/reviews.default"
        )
    return Suppression(
        code, "*" if name == "*" else f"{kind} {rest if '.' in rest or '*' in rest else f'{rest}.default'}"
    )


def wanted(findings: Iterable[Finding], suppressions: Iterable[Suppression] = ()) -> list[Finding]:
    """The findings that neither an option nor an annotation of their resource suppresses."""
    given = [*suppressions]
    return [each for each in findings if not any(one.covers(each) for one in (*given, *annotated(each.resource)))]


def annotated(resource: Resource) -> list[Suppression]:
    """What the annotations of a resource suppress on it: lists of codes, or `*`."""
    metadata = resource.body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict):
        return []
    texts = [str(annotations[key]) for key in (OWN, ISTIO) if key in annotations]
    return [Suppression(code.strip()) for text in texts for code in text.split(",") if code.strip()]
