"""What a test does, for Allure (allure-pytest): steps, attachments and labels, while it happens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import allure

from meshtest.measured import table, written
from meshtest.redaction import redacted, redacted_yaml
from meshtest.report.html.page import pictures
from meshtest.report.policy_kinds import policy_kinds
from meshtest.resources.resource import Resource

if TYPE_CHECKING:
    from meshtest.evidence import Finding
    from meshtest.traffic.sample import Sample

_ISTIO = "https://istio.io/latest/docs/reference/config"
_REFERENCES = {
    "networking.istio.io": f"{_ISTIO}/networking",
    "security.istio.io": f"{_ISTIO}/security",
}
_PAGES = {"AuthorizationPolicy": "authorization-policy", "PeerAuthentication": "peer_authentication"}


class AllureStory:
    """Tells Allure of the tests of a process."""

    def begin(self, nodeid: str, doc: str, mesh: str) -> None:
        """A test begins: what it promises is its story."""
        allure.dynamic.story(doc.partition("\n")[0] or nodeid)  # type: ignore[no-untyped-call]
        allure.dynamic.parameter("mesh", mesh)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step of the test."""
        with allure.step(redacted(title)):
            yield

    @contextmanager
    def applies(self, title: str, resources: Sequence[Resource]) -> Iterator[None]:
        """A step with the manifests; the kinds of policy are the test's features."""
        for kind in policy_kinds(resources):
            allure.dynamic.feature(kind)  # type: ignore[no-untyped-call]
        for kind, url in dict.fromkeys((each.kind, _reference(each)) for each in resources):
            if url:
                allure.dynamic.link(url, name=f"Istio: {kind}")  # type: ignore[no-untyped-call]
        with allure.step(redacted(title)):
            for each in resources:
                allure.attach(
                    redacted_yaml(written(each)), f"{each} ({each.where()})", allure.attachment_type.YAML, "yaml"
                )
            yield

    def found(self, finding: Finding, sample: Sample | None) -> None:
        """The verdict as text and as data, how it came about as a picture, what was measured as CSV, and log lines."""
        allure.attach(redacted(finding.message()), "verdict", allure.attachment_type.TEXT)
        allure.attach(json.dumps(dict(finding.evidence), indent=1), "evidence", allure.attachment_type.JSON)
        for title, picture in pictures(asdict(finding)):
            allure.attach(picture, title, allure.attachment_type.SVG)
        if sample is not None and len(sample):
            allure.attach(table(sample), "samples", allure.attachment_type.CSV)
        if lines := (finding.evidence.get("causes") or {}).get("lines"):
            allure.attach("\n".join(lines), "access log", allure.attachment_type.TEXT)


def _reference(resource: Resource) -> str:
    """Istio's own page of a kind; empty for others'."""
    root = _REFERENCES.get(resource.group, "")
    page = _PAGES.get(
        resource.kind, "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in resource.kind)[1:]
    )
    return f"{root}/{page}/" if root else ""
