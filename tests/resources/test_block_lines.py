"""Lines of plain block style are those that the parser finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtest.resources.block_lines import block_lines
from meshtest.resources.document import _Builder, parse
from meshtest.resources.yaml_tree import trees
from tests.resources.bookinfo_networking import FILES, text

SUITES = Path(__file__).parents[2] / "suites"


def parsed_lines(document: str) -> dict[tuple[str | int, ...], int]:
    builder = _Builder("x.yaml")
    for tree in trees(document, "x.yaml"):
        builder.value_of(tree.root)
    return builder.lines


def agrees(document: str) -> bool:
    """Whether the quick way found lines; they are the parser's, or those of the line on which a flow collection stands."""
    found = block_lines(document)
    if found is None:
        return False
    for path, line in parsed_lines(document).items():
        known = path
        while known and known not in found:
            known = known[:-1]
        assert found[known] == line, path
    return True


KEYS = st.text("abcxyz-_/.", min_size=1, max_size=5) | st.sampled_from(
    ["yes", "n", "9080", "a b", "on", "x:y", "null", "#a"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.text("ab '\":#-\n|>&*?[]{},\\", max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.sampled_from([None, False, True]), st.integers(1, 8))
def test_any_document(value: dict[str, Any], flow: bool | None, indent: int) -> None:
    agrees(yaml.safe_dump(value, default_flow_style=flow, indent=indent, sort_keys=False, width=30))


@pytest.mark.parametrize("name", sorted(FILES))
def test_bookinfo(name: str) -> None:
    for document in parse(text(name), f"{name}.yaml"):
        agrees(document.text)


@pytest.mark.parametrize("manifest", sorted(SUITES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_suites(manifest: Path) -> None:
    """Manifests as people write them: lines are the parser's; those without flow collections are read the quick way."""
    documents = parse(manifest.read_bytes(), str(manifest))
    quick = [agrees(document.text) for document in documents]
    assert quick == [True] * len(documents) or manifest.parent.name != "bookinfo"


@pytest.mark.parametrize(
    "document",
    [
        "a: |\n  b: c\n",
        "a: >-\n  b\n",
        "a: &x\n  b: c\nd: *x\n",
        "a: b\n  c\n",
        'a: "b\n  c"\n',
        "a: [b,\n  c]\n",
        "? a\n: b\n",
        '"a": b\n',
        "yes: b\n",
        "9080: b\n",
        "- a\n- b\n",
        "a: !!str b\n",
        "a: text\n  - more\n",
        "a:\n  -\n    b: c\n",
    ],
)
def test_left_to_the_parser(document: str) -> None:
    assert block_lines(document) is None


def test_comments_and_marks() -> None:
    """Comments, blank lines, marks and lists as deep as their key do not matter."""
    assert agrees(
        "---\n# x\na: # y\n\n  b: 'c' # z\n  d:\n  - e: f\n    g: {h: [1, 2]}\n  - - i\n    - j\nk:\n- l: m\n...\n"
    )
