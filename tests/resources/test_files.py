"""Files, folders, the standard input, and files in which something went wrong on the way."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.errors import ResourceError
from meshtest.resources.document import MAX_BYTES
from meshtest.resources.manifest import check, is_istio, read_files, read_text
from tests.resources.bookinfo_networking import FILES, text

GATEWAY = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: %s}\nspec: {servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [a.b]}]}\n"


class Stdin:
    """A standard input."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is the standard input, which is read once, and not at all beyond the limit."""
    monkeypatch.setattr("sys.stdin", Stdin((GATEWAY % "a").encode()))
    (found,) = read_files(["-"])
    assert found.where("spec", "servers", 0) == "<stdin>:4"
    with pytest.raises(ResourceError, match="the standard input is empty"):
        read_files([Path("-")])
    with pytest.raises(ResourceError, match="name it once"):
        read_files(["-", "-"])
    content = Stdin(b"#" * (MAX_BYTES + 100))
    monkeypatch.setattr("sys.stdin", content)
    with pytest.raises(ResourceError, match="larger than"):
        read_files(["-"])
    assert content.buffer.tell() == MAX_BYTES + 1


def test_lists_documents_and_folders(tmp_path: Path) -> None:
    """Objects stand in several documents, in Lists, in Lists of one kind, and in the files of a folder, in order."""
    item = (GATEWAY % "c").replace("\n", "\n  ")
    (tmp_path / "1.yaml").write_text("---\n" + GATEWAY % "a" + "---\n# nothing\n---\n" + GATEWAY % "b")
    (tmp_path / "2.yml").write_text(f"apiVersion: v1\nkind: List\nitems:\n- {item.rstrip()}\n")
    (tmp_path / "3.json").write_text(
        '{"apiVersion": "networking.istio.io/v1", "kind": "GatewayList", "items": [\n{"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "d"}, "spec": {}}]}'
    )
    (tmp_path / "4.txt").write_text("no manifest")
    found = read_files([tmp_path])
    assert [each.name for each in found] == ["a", "b", "c", "d"]
    assert [each.line("metadata") for each in found] == [4, 11, 6, 2]


@pytest.mark.parametrize("name", ["missing", "a\0b"])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    """A file that is not there is named, and what cannot be the name of a file too."""
    with pytest.raises(ResourceError, match="cannot be read"):
        read_files([tmp_path / name])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real manifest in which bytes are exchanged, left out, repeated and put in."""
    content = bytearray(text(draw(st.sampled_from(sorted(FILES)))).encode())
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        until = draw(st.integers(at, min(at + 60, len(content))))
        piece = draw(
            st.binary(max_size=4) | st.sampled_from([b" ", b"\n", b":", b"- ", b"\t", b"{", b"]", b"*a", b"&a "])
        )
        how = draw(st.sampled_from(["exchange", "remove", "repeat", "insert"]))
        content[at:until] = {
            "exchange": piece,
            "remove": b"",
            "repeat": content[at:until] * 2,
            "insert": piece + content[at:until],
        }[how]
    return bytes(content)


@settings(deadline=None, max_examples=200)
@given(damaged())
def test_damaged_manifests(content: bytes) -> None:
    """Whatever happened to a manifest, it is accepted or refused with a ResourceError that names the file."""
    try:
        check([each for each in read_text(content, "f.yaml") if is_istio(each)])
    except ResourceError as error:
        assert all(line.startswith("f.yaml") for line in str(error).splitlines())


BAD = {
    "broken": b"a: [1, 2\n" + b"b: 1\n" * 100_000,
    "twice": b"a: 1\n" + b"".join(b"k%d: 1\n" % n for n in range(20_000)) + b"a: 2\n",
    "bomb": b"\n".join(
        [b"a0: &a0 [x]"] + [b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 20)) for n in range(1, 20)]
    ),
    "deep": b"[" * 1_000_000,
    "large": b"a: b\n" * 3_000_000,
    "binary": bytes(range(256)) * 4000,
    "list": b"- a\n" * 100_000,
    "anchors": b"".join(b"- &a%d {b: *a%d}\n" % (n, n - 1 if n else 0) for n in range(10_000)),
    "one line": b"a: '" + b"x" * 3_000_000,
}


@pytest.mark.parametrize("name", BAD)
def test_no_manifests(name: str) -> None:
    """What is no manifest is refused, whatever its size, with the name of the file."""
    with pytest.raises(ResourceError, match=r"^f\.yaml"):
        check(read_text(BAD[name], "f.yaml"))
