"""Each code has a wrong example, which gives just this code, and a right one, which is silent; each can be suppressed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from meshtest.analysis.catalogue import CODES
from meshtest.analysis.finding import Finding
from meshtest.analysis.reading import findings
from meshtest.analysis.suppression import suppression, wanted
from tests.analysis.examples import DOCUMENT, EXAMPLES, Example

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.code)


def analyzed(text: str, folder: Path) -> list[Finding]:
    manifest = folder / "manifest.yaml"
    manifest.write_text(text)
    return findings([manifest])


def test_each_code_is_documented() -> None:
    """The document and the catalogue are the same list, in the same order, with the same words."""
    said = [(each.code, each.title, each.severity, each.istio) for each in EXAMPLES]
    assert said == [(each.name, each.title, each.severity, each.istio) for each in CODES.values()]
    assert DOCUMENT.read_text().count("### ") == len(CODES)


@each_example
def test_wrong_example(example: Example, tmp_path: Path) -> None:
    """It gives the code, nothing else, and the message says more than the title."""
    found = analyzed(example.wrong, tmp_path)
    assert {each.code.name for each in found} == {example.code}
    assert found[0].severity == example.severity
    for each in found:
        assert str(each).startswith(f"{tmp_path}/manifest.yaml:{each.line}: {each.severity}: {example.code} ")
        assert 1 <= each.line <= example.wrong.count("\n")
        assert len(each.message) > 30
        assert set(each.as_json()) == {"file", "line", "path", "code", "severity", "message"}


@each_example
def test_right_example(example: Example, tmp_path: Path) -> None:
    assert [str(each) for each in analyzed(example.right, tmp_path)] == []


@each_example
def test_suppressed_by_option(example: Example, tmp_path: Path) -> None:
    """By meshtest's code, by Istio's where there is one, and for the resource only; not by another code."""
    found = analyzed(example.wrong, tmp_path)
    assert wanted(found, [suppression(example.code)]) == []
    assert wanted(found, [suppression("MT0101" if example.code != "MT0101" else "MT0102")]) == found
    if example.istio:
        assert wanted(found, [suppression(example.istio)]) == []
    if example.code != "MT0001":
        named = [
            suppression(f"{example.code}={r.kind}/{r.name}.{r.namespace}")
            for r in {e.resource.key: e.resource for e in found}.values()
        ]
        assert wanted(found, named) == []
        assert wanted(found, [suppression(f"{example.code}=VirtualService/other.elsewhere")]) == found


READABLE = [each for each in EXAMPLES if each.code != "MT0001"]
ANNOTATIONS = [("meshtest.dev/suppress", each, each.code) for each in READABLE]
ANNOTATIONS += [("galley.istio.io/analyze-suppress", each, each.istio) for each in READABLE if each.istio]


@pytest.mark.parametrize(
    ("key", "example", "code"), ANNOTATIONS, ids=[f"{key}-{each.code}" for key, each, _ in ANNOTATIONS]
)
def test_suppressed_by_annotation(key: str, example: Example, code: str, tmp_path: Path) -> None:
    """On the resource itself; Istio's annotation by the codes that Istio has."""
    objects = list(yaml.safe_load_all(example.wrong))
    for each in objects:
        each["metadata"]["annotations"] = {key: f"MT9999, {code}"}
    found = analyzed(yaml.safe_dump_all(objects), tmp_path)
    assert {each.code.name for each in found} == {example.code}
    assert wanted(found) == []
