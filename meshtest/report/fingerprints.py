"""Names of findings that stay the same when lines move: by them a code host tells new ones from known ones."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator

from meshtest.analysis.finding import Finding
from meshtest.report.places import relative
from meshtest.resources.resource import dotted


def fingerprinted(findings: Iterable[Finding]) -> Iterator[tuple[str, Finding]]:
    """Each finding with a fingerprint of its own: of its code, file, resource, field and message, and of how many such came before it."""
    seen: Counter[tuple[str, ...]] = Counter()
    for each in findings:
        parts = (each.code.name, relative(each.resource.file), str(each.resource), dotted(each.path), each.message)
        text = "\x00".join((*parts, str(seen[parts])))
        seen[parts] += 1
        yield hashlib.sha256(text.encode()).hexdigest(), each
