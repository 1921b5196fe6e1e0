"""One parsed Istio or Kubernetes object, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshtest.errors import ResourceError
from meshtest.resources.document import Document, Path
from meshtest.resources.schema import named


@dataclass(frozen=True)
class Resource:
    """A Kubernetes object as its author wrote it.

    `body` is the whole object; `path` (if it was an item of a List) is where it stands in `document`.
    """

    kind: str
    api_version: str
    name: str
    namespace: str
    body: Mapping[str, Any] = field(repr=False)
    document: Document = field(repr=False, compare=False)
    path: Path = field(default=(), repr=False, compare=False)

    @property
    def group(self) -> str:
        """The API group, such as `networking.istio.io`; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def spec(self) -> Mapping[str, Any]:
        """The `spec`, empty if there is none."""
        return self.body.get("spec") or {}

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the object itself."""
        return _texts(self.body["metadata"].get("labels"))

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations of the object itself."""
        return _texts(self.body["metadata"].get("annotations"))

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same object when it is applied again."""
        return (self.group, self.kind, self.namespace, self.name)

    @property
    def file(self) -> str:
        """The file it was read from, or a word for it."""
        return self.document.file

    def line(self, *path: str | int) -> int:
        """The line of a field, as `resource.line("spec", "http", 0)`."""
        return self.document.line((*self.path, *path))

    def where(self, *path: str | int) -> str:
        """`file:line` of a field."""
        return f"{self.file}:{self.line(*path)}"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def _texts(given: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Labels or annotations; one without a value (null) is an empty text to Kubernetes."""
    if not given or None not in given.values():
        return given or {}
    return {key: "" if value is None else value for key, value in given.items()}


def dotted(path: Path) -> str:
    """A path as people write it: `spec.http[0].route[1].weight`."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


# Groups of files that programs such as `istioctl install` and `kustomize` read, and no API server; their objects need no name.
NOT_SERVED = ("install.istio.io/", "kustomize.config.k8s.io/")
# Kinds whose objects have no namespace; only those that meshtest reads.
CLUSTER_SCOPED = frozenset({"Namespace", "Node", "CustomResourceDefinition", "GatewayClass"})


def resources(documents: list[Document], namespace: str = "default") -> list[Resource]:
    """The objects in `documents` that an API server would take; items of Lists one by one.

    An object without a namespace gets `namespace`.
    """
    return [found for document in documents for found in _objects(document.value, (), document, namespace)]


def _objects(value: Any, path: Path, document: Document, namespace: str) -> Iterator[Resource]:
    if not isinstance(value, dict):
        raise ResourceError(
            f"{document.where(path)}: a Kubernetes object is a mapping with apiVersion, kind and metadata; this is {named(value)}"
        )
    kind, api_version = value.get("kind"), value.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(api_version, str) or not kind or not api_version:
        raise ResourceError(f"{document.where(path)}: a Kubernetes object needs a kind and an apiVersion, each a text")
    if kind == "List" or (kind.endswith("List") and "items" in value):
        yield from _items(value.get("items"), (*path, "items"), document, namespace)
        return
    if api_version.startswith(NOT_SERVED):
        return
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or name in (None, ""):
        raise ResourceError(f"{document.where(path)}: {kind} has no metadata.name")
    if not isinstance(name, str):
        at = document.where((*path, "metadata", "name"))
        raise ResourceError(f"{at}: {kind} metadata.name: must be a text; this is {named(name)} to YAML")
    own = metadata.get("namespace") or namespace
    if not isinstance(own, str):
        at = document.where((*path, "metadata", "namespace"))
        raise ResourceError(f"{at}: {kind} {name} metadata.namespace: must be a text")
    yield Resource(kind, api_version, name, "" if kind in CLUSTER_SCOPED else own, value, document, path)


def _items(items: Any, path: Path, document: Document, namespace: str) -> Iterator[Resource]:
    if items is not None and not isinstance(items, list):
        raise ResourceError(f"{document.where(path)}: the items of a List must be a list")
    for index, item in enumerate(items or ()):
        yield from _objects(item, (*path, index), document, namespace)
