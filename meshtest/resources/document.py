"""YAML text to plain values that remember their lines. Keys must be unique, and what anchors expand to is bounded."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from meshtest.errors import ResourceError
from meshtest.resources.block_lines import block_lines
from meshtest.resources.scalar import as_key, resolved
from meshtest.resources.yaml_tree import (
    MAX_DEPTH,
    Alias,
    Mapping,
    Node,
    Scalar,
    Sequence,
    TooMuch,
    check_characters,
    not_yaml,
    root_line,
    too_much,
    trees,
)
from meshtest.resources.yaml_values import Unusual, Value, values

Path = tuple[str | int, ...]

MAX_BYTES = 4 << 20  # etcd refuses objects over 1.5 MiB; a file may hold several
MAX_REPEATED = 100_000  # values that aliases add to those which are written out: an alias bomb ends here
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HALVES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """One YAML document: its value and, for each path into it, the line (from 1) where that value's key or item stands.

    Lines are looked up only when somebody asks: `text` is the document's own, which begins on line `first` of the file.
    """

    value: Any
    file: str
    text: str = field(default="", repr=False)
    first: int = field(default=1, repr=False)

    def line(self, path: Path) -> int:
        """The line of `path`, or of its nearest ancestor that has one."""
        if not path:
            return self._begin + self.first - 1
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1) + self.first - 1

    def where(self, path: Path) -> str:
        """`file:line` of `path`."""
        return f"{self.file}:{self.line(path)}"

    @cached_property
    def _begin(self) -> int:
        return root_line(self.text)

    @cached_property
    def _lines(self) -> dict[Path, int]:
        if "\n" not in self.text.strip():
            return {}  # such as JSON that a program wrote
        if (found := block_lines(self.text)) is not None:
            return found
        builder = _Builder(self.file)
        for tree in trees(self.text, self.file):
            builder.value_of(tree.root)
        return builder.lines


def parse(text: str | bytes, file: str) -> list[Document]:
    """All documents in `text` that are not empty; ResourceError names `file` and line if it is no YAML."""
    if len(text) > MAX_BYTES:
        raise ResourceError(
            f"{file}: larger than {MAX_BYTES >> 20} MiB, which no Kubernetes manifest is; is it the right file?"
        )
    decoded = _decoded(text, file)
    check_characters(decoded, file)
    try:
        found = values(decoded)
    except yaml.YAMLError as error:
        raise not_yaml(error, decoded, file) from None
    except TooMuch:
        raise too_much(file) from None
    except Unusual:
        found = [Value(_Builder(file).value_of(tree.root), tree.begin, tree.line) for tree in trees(decoded, file)]
    ends = [each.begin for each in found[1:]] + [len(decoded)]
    return [
        Document(each.value, file, decoded[each.begin : end], each.line)
        for each, end in zip(found, ends, strict=False)
        if each.value is not None
    ]


def _decoded(text: str | bytes, file: str) -> str:
    """Text from bytes in UTF-8, or in UTF-16 with its mark; characters that JSON writes in two halves are put together."""
    text = (text if isinstance(text, str) else _unicode(text, file)).removeprefix("\ufeff")
    return _HALVES.sub(_whole, text) if "\\u" in text and text.lstrip().startswith("{") else text


def _unicode(content: bytes, file: str) -> str:
    encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ResourceError(
            f"{file}:{line}: this is not text in {encoding.upper()} (byte {error.start}); is it the right file?"
        ) from None


def _whole(halves: re.Match[str]) -> str:
    return halves[1] + bytes.fromhex(halves[2] + halves[3]).decode("utf-16-be")


class _Builder:
    """Turns nodes into plain values, noting lines on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self.inside = 0  # aliases that this is within
        self.repeated = 0

    def value_of(self, root: Node) -> Any:
        self.lines[()] = root.line
        return self.value(root, ())

    def value(self, node: Node, path: Path) -> Any:
        if isinstance(node, Alias):
            self.inside += 1
            value = self.value(node.target, path)
            self.inside -= 1
            return value
        if self.inside:
            self.repeat(node, 1, len(path))
        if isinstance(node, Mapping):
            return self.mapping(node, path)
        if isinstance(node, Sequence):
            return [self.item(child, (*path, index)) for index, child in enumerate(node.items)]
        return self.scalar(node)

    def repeat(self, node: Node, values: int, depth: int) -> None:
        self.repeated += values
        if self.repeated > MAX_REPEATED or depth > MAX_DEPTH:
            raise self.error(
                node, "aliases expand to more values than any manifest has; are the anchors nested on purpose?"
            )

    def item(self, node: Node, path: Path) -> Any:
        self.lines[path] = _target(node).line
        return self.value(node, path)

    def mapping(self, node: Mapping, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, child, merged in self.entries(node):
            key = self.key(key_node)
            here = (*path, key)
            if key in out and not merged:
                raise self.error(
                    key_node,
                    f"the key {key!r} stands here twice (first on line {self.lines[here]}); only one can count",
                )
            if key in out:
                continue  # a merged key never overrides the mapping's own
            self.lines[here] = key_node.line
            out[key] = self.value(child, here)
        return out

    def entries(self, node: Mapping, depth: int = 0) -> Iterator[tuple[Node, Node, bool]]:
        merges: list[Node] = []
        for key, child in node.entries:
            if isinstance(key, Scalar) and key.text == "<<" and key.plain:
                one = _target(child)
                merges += one.items if isinstance(one, Sequence) else [one]
            else:
                yield key, child, False
        for each in merges:
            merge = _target(each)
            if not isinstance(merge, Mapping):
                raise self.error(each, "`<<` takes a mapping, or a list of mappings")
            self.repeat(each, 1 + len(merge.entries), depth)
            for key, child, _ in self.entries(merge, depth + 1):
                yield key, child, True

    def key(self, node: Node) -> str:
        target = _target(node)
        if not isinstance(target, Scalar):
            raise self.error(node, "a key must be a plain word")
        key = as_key(self.scalar(target))
        if key is None:
            raise self.error(node, "a key must not be empty")
        return key

    def scalar(self, node: Scalar) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind in ("str", "binary", "timestamp", "!") or (not kind and not node.plain):
            return node.text
        if kind not in ("", "int", "float", "bool", "null"):
            raise self.error(node, f"the tag {node.tag!r} has no meaning in a Kubernetes manifest")
        value = resolved(node.text)
        if kind and not _is(value, kind):
            raise self.error(node, f"{node.text[:50]!r} is no {kind}")
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(node, f"{node.text} is no number that JSON knows")
        return value

    def error(self, node: Node, message: str) -> ResourceError:
        return ResourceError(f"{self.file}:{node.line}: {message}")


def _target(node: Node) -> Node:
    while isinstance(node, Alias):
        node = node.target
    return node


def _is(value: Any, kind: str) -> bool:
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return value is None if kind == "null" else isinstance(value, bool)
