"""YAML text to plain values that remember their lines.

Kubernetes reads YAML the way go-yaml does: YAML 1.1 booleans (`yes`, `on`), but no dates and no base-60 integers. Keys must be
unique, and what anchors expand to is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from meshtest.errors import ResourceError

Path = tuple[str | int, ...]

MAX_BYTES = 4 << 20  # etcd refuses objects over 1.5 MiB; a file may hold several
MAX_VALUES = 200_000  # values in one file after anchors are expanded: an alias bomb ends here
MAX_DEPTH = 100

_BASE_60 = re.compile(r"^[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?$")
_PREFIX = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """One YAML document: its value and, for each path into it, the line (from 1) where that value's key or item stands."""

    value: Any
    file: str
    lines: dict[Path, int] = field(repr=False)

    def line(self, path: Path) -> int:
        """The line of `path`, or of its nearest ancestor that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str | bytes, file: str) -> list[Document]:
    """All documents in `text` that are not empty; ResourceError names `file` and line if it is no YAML."""
    if len(text) > MAX_BYTES:
        raise ResourceError(
            f"{file}: larger than {MAX_BYTES >> 20} MiB, which no Kubernetes manifest is; is it the right file?"
        )
    decoded = _decoded(text, file)
    try:
        roots = list(yaml.compose_all(decoded, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.MarkedYAMLError as error:
        raise ResourceError(_no_yaml(error, file)) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ResourceError(f"{file}: this is not YAML: {' '.join(str(error).split())}") from None
    documents = [_Builder(file).document(root) for root in roots]
    return [document for document in documents if document.value is not None]


def _decoded(text: str | bytes, file: str) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ResourceError(
            f"{file}:{line}: this is not text in UTF-8 (byte {error.start}); is it the right file?"
        ) from None


def _no_yaml(error: yaml.MarkedYAMLError, file: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"{file}:{mark.line + 1}" if mark else file
    problem = error.problem or "not understood"
    hint = " (YAML is indented with spaces, never with tabs)" if "\\t" in problem or "'\t'" in problem else ""
    return f"{where}: this is not YAML: {problem}{hint}"


class _Builder:
    """Turns composed nodes into plain values, noting lines on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path, int] = {}
        self.values = 0
        self.scalars = yaml.constructor.SafeConstructor()

    def document(self, root: yaml.Node) -> Document:
        self.lines[()] = root.start_mark.line + 1
        return Document(self.value(root, ()), self.file, self.lines)

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.values += 1
        if self.values > MAX_VALUES or len(path) > MAX_DEPTH:
            raise self.error(
                node, "this file expands to more values than any manifest has; are its anchors nested on purpose?"
            )
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.item(child, (*path, index)) for index, child in enumerate(node.value)]
        return self.scalar(node)

    def item(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
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
            self.lines[here] = key_node.start_mark.line + 1
            out[key] = self.value(child, here)
        return out

    def entries(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node, bool]]:
        merges: list[yaml.Node] = []
        for key, child in node.value:
            if key.tag == _PREFIX + "merge":
                merges += child.value if isinstance(child, yaml.SequenceNode) else [child]
            else:
                yield key, child, False
        for merge in merges:
            if not isinstance(merge, yaml.MappingNode):
                raise self.error(merge, "`<<` takes a mapping, or a list of mappings")
            self.values += len(merge.value)
            for key, child, _ in self.entries(merge):
                yield key, child, True

    def key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(node, "a key must be a plain word")
        return str(node.value)

    def scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        if kind in ("timestamp", "value") or (kind in ("int", "float") and _BASE_60.match(node.value)):
            return str(node.value)
        if kind not in ("str", "int", "float", "bool", "null", "binary"):
            raise self.error(node, f"the tag {node.tag!r} has no meaning in a Kubernetes manifest")
        try:
            return self.scalars.construct_object(node)
        except (ValueError, yaml.YAMLError):
            raise self.error(node, f"{node.value!r} is no {kind}") from None

    def error(self, node: yaml.Node, message: str) -> ResourceError:
        return ResourceError(f"{self.file}:{node.start_mark.line + 1}: {message}")
