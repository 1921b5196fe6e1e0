"""YAML text to values and lines: as Kubernetes reads it, with bounds, and never a crash."""

from __future__ import annotations

import json
import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.errors import ResourceError
from meshtest.resources.document import MAX_BYTES, MAX_REPEATED, _Builder, parse
from meshtest.resources.yaml_tree import trees
from meshtest.resources.yaml_values import Unusual, values


def value(text: str | bytes) -> object:
    """The value of the only document."""
    (document,) = parse(text, "f.yaml")
    return document.value


def complaint(text: str | bytes) -> str:
    """What is said against a text."""
    with pytest.raises(ResourceError) as caught:
        parse(text, "f.yaml")
    return str(caught.value)


# What `sigs.k8s.io/yaml` 1.4 (kubectl's parser) makes of these, run once.
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("y", True), ("Y", True), ("yes", True), ("On", True), ("TRUE", True), ("n", False), ("off", False)),
        *(("tRue", "tRue"), ("yEs", "yEs"), ("~", None), ("", None), ("null", None), ("Null", None), ("nil", "nil")),
        *(("1", 1), ("+5", 5), ("-8", -8), ("010", 8), ("-010", -8), ("0o17", 15), ("0x1F", 31), ("0X1F", 31)),
        *(("0b11", 3), ("-0b11", -3), ("0b", "0b"), ("1_000", 1000), ("1__0", 10), ("_1", "_1"), ("0x_1F", 31)),
        *(
            ("08", 8.0),
            ("1e3", 1000.0),
            ("-.5e3", -500.0),
            (".5", 0.5),
            ("1.", 1.0),
            ("1_0.5", 10.5),
            ("1e400", "1e400"),
        ),
        *(("18446744073709551615", 2**64 - 1), ("99999999999999999999", 1e20), ("12:30:45", "12:30:45")),
        *(("2001-01-01", "2001-01-01"), ("190:20:30.15", "190:20:30.15"), ("=", "="), ("<<", "<<"), ("1.2.3", "1.2.3")),
        *(('"5"', "5"), ("'yes'", "yes"), ("!!str 5", "5"), ("!!int 5", 5), ("!!float 5", 5), ("!!bool yes", True)),
        *(("! 5", "5"), ("|\n  5", "5\n"), (">-\n  y", "y"), ("!!timestamp 2001-01-01", "2001-01-01")),
    ],
)
def test_scalars_as_kubernetes_reads_them(text: str, wanted: object) -> None:
    """A scalar means what it means to kubectl, type and all."""
    found = value(f"a: {text}\n")
    assert found == {"a": wanted}
    assert type(found["a"]) is type(wanted)  # type: ignore[index]


@pytest.mark.parametrize(
    ("key", "wanted"), [("1", "1"), ("yes", "true"), ("3.5", "3.5"), ('"1"', "1"), ("on", "true"), ("x-y", "x-y")]
)
def test_keys_are_texts(key: str, wanted: str) -> None:
    """Keys come out as JSON has them."""
    assert value(f"{key}: a") == {wanted: "a"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: .inf", "f.yaml:1: .inf is no number that JSON knows"),
        ("a: 1\nb: .NaN", "f.yaml:2: .NaN is no number"),
        ("a: !!int foo", "f.yaml:1: 'foo' is no int"),
        ("a: !!null foo", "f.yaml:1: 'foo' is no null"),
        ("\na: !Ref b", "f.yaml:2: the tag '!Ref' has no meaning"),
        ("~: 1", "f.yaml:1: a key must not be empty"),
        ("? [a]\n: b", "f.yaml:1: a key must be a plain word"),
        ("a: 1\nb: 2\na: 3", "f.yaml:3: the key 'a' stands here twice (first on line 1)"),
        ("yes: 1\non: 2", "f.yaml:2: the key 'true' stands here twice"),
        ("a: &x [*x]", "f.yaml:1: *x: what this anchor names contains itself"),
        ("a: &x\n  <<: *x", "f.yaml:2: *x: what this anchor names contains itself"),
        ("a: *x", "f.yaml:1: *x: no anchor of this name stands before"),
        ("a: &x 1\n---\nb: *x", "f.yaml:3: *x: no anchor of this name"),
        ("<<: 5", "f.yaml:1: `<<` takes a mapping"),
        ("a:\n\tb: 1", "f.yaml:2: this is not YAML"),
        ("a: 1\n  b: 2", "f.yaml:2: this is not YAML"),
        ("a: [1, 2", "this is not YAML"),
        ('a: "\\ud800"', "f.yaml:1: this is not YAML"),
        ("ok: 1\nb: \x07", "f.yaml:2: this is not text: it holds the character U+0007"),
        ("a: \ud800", "f.yaml:1: this is not text: it holds the character U+D800"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str) -> None:
    """Each mistake is named with file and line."""
    assert said in complaint(text)


@pytest.mark.parametrize("text", ["spec:\n\t- a", "spec:\n  http:\n\t- a: 1", "a: 1\n\tb: 2", "a:\n  b: 1\n\t"])
def test_tabs_are_named(text: str) -> None:
    """Indenting with a tab is either harmless (an empty line) or named as such."""
    try:
        parse(text, "f.yaml")
    except ResourceError as error:
        assert "never with tabs" in str(error)


@pytest.mark.parametrize("nesting", ["[", "{a: ", "- ", "[[", "{[", "a: {"])
@pytest.mark.parametrize("closed", [False, True])
def test_deep_nesting_is_refused_at_once(nesting: str, closed: bool) -> None:
    """A file that nests half a million deep neither crashes the process (libyaml's composer does) nor takes long."""
    ends = {"[": "]", "{a: ": "}", "[[": "]]"}
    text = nesting * 500_000 + (ends.get(nesting, "") * 500_000 if closed else "")
    assert "nests deeper than 100 levels" in complaint(text) or "not YAML" in complaint(text)


def bomb(width: int, depth: int) -> str:
    """Aliases that expand to width ** depth values."""
    rows = [f"a0: &a0 [{', '.join(['lol'] * width)}]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(rows)


def test_alias_bomb_is_bounded() -> None:
    """Nested aliases end in an error, with little memory."""
    tracemalloc.start()
    try:
        assert "aliases expand to more values" in complaint(bomb(9, 9))
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_merge_bomb_is_bounded() -> None:
    """Nested merges of one key, which add nothing, end in an error too."""
    rows = ["m0: &m0 {k: 1}"] + [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    assert "aliases expand to more values" in complaint("\n".join(rows))


def test_chained_aliases_and_merges_do_not_recurse_without_end() -> None:
    """A chain of merges, or of aliases that each nest a little, ends in an error and not in a RecursionError."""
    merges = ["m0: &m0 {k: 1}"] + [f"m{n}: &m{n} {{<<: *m{n - 1}}}" for n in range(1, 3000)]
    assert "aliases expand" in complaint("\n".join(merges))
    nests = ["n0: &n0 [1]"] + [f"n{n}: &n{n} {'[' * 50}*n{n - 1}{']' * 50}" for n in range(1, 100)]
    assert "aliases expand" in complaint("\n".join(nests))


def test_ordinary_aliases_and_merges() -> None:
    """Anchors are expanded, merged keys give way to the mapping's own, and earlier merges to none."""
    text = "a: &a {x: 1, z: 2}\nb: *a\nc: {<<: *a, x: 3}\nd: {<<: [{x: 4}, *a]}\n"
    found = value(text)
    assert found == {"a": {"x": 1, "z": 2}, "b": {"x": 1, "z": 2}, "c": {"z": 2, "x": 3}, "d": {"x": 4, "z": 2}}
    assert MAX_REPEATED > 10_000


def test_large_files() -> None:
    """What is written out is bounded by the file's size only; a file beyond the limit is refused."""
    big = "a:\n" + "".join(f"- {{n: {number}, b: [x, y]}}\n" for number in range(60_000))
    assert len(value(big)["a"]) == 60_000  # type: ignore[index]
    assert "larger than 4 MiB" in complaint("#" * (MAX_BYTES + 1))


def test_bytes() -> None:
    """UTF-8 with or without a byte order mark is read; anything else is said to be no text, with its line."""
    assert value("\ufeffa: ä".encode()) == {"a": "ä"}
    assert value(b"a: 1\r\nb: x\r\n") == {"a": 1, "b": "x"}
    assert complaint(b"a: 1\nb: \xff\xfe").startswith("f.yaml:2: this is not text in UTF-8")
    assert "is it the right file?" in complaint(b"\x7fELF\x02\x01\x01\x00\x00")


def test_what_windows_and_json_write() -> None:
    """UTF-16 with its mark, a mark in a text, indenting with tabs in JSON, and characters in two halves are read."""
    assert value("a: ä".encode("utf-16")) == {"a": "ä"}
    assert "not text in UTF-16" in complaint(b"\xff\xfea")
    assert value("\ufeffa: 1") == {"a": 1}
    assert value('{\n\t"a": [\n\t\t"\\/"\n\t]\n}') == {"a": ["/"]}
    assert value(json.dumps({"a": "😀", "b": "\\ud83d\\ude00 \\"})) == {"a": "😀", "b": "\\ud83d\\ude00 \\"}


def test_documents() -> None:
    """Empty documents are left out, the others keep their order and lines of the whole file."""
    documents = parse("---\n# nothing\n---\na: 1\n...\n---\n---\n\nb: 2\n", "f.yaml")
    assert [document.value for document in documents] == [{"a": 1}, {"b": 2}]
    assert [document.line(("a",)) for document in documents] == [4, 9]
    assert documents[1].line(("b",)) == 9
    assert parse("", "f.yaml") == []


def test_lines() -> None:
    """A key and an item know where they stand; what does not exist takes its parent's line."""
    (document,) = parse("a:\n  b:\n  - c: 1\n    d:\n      e: 2\n  - [x,\n     y]\n", "f.yaml")
    lines = {("a",): 1, ("a", "b"): 2, ("a", "b", 0): 3, ("a", "b", 0, "d"): 4, ("a", "b", 0, "d", "e"): 5}
    lines |= {("a", "b", 1): 6, ("a", "b", 1, 1): 7, ("a", "b", 0, "missing"): 3, ("zzz",): 1, (): 1}
    assert {path: document.line(path) for path in lines} == lines


def test_json_is_yaml() -> None:
    """JSON is read, with its lines."""
    (document,) = parse('{\n "a": [\n  {"b": true}\n ]\n}', "f.json")
    assert document.value == {"a": [{"b": True}]}
    assert document.line(("a", 0, "b")) == 3


@settings(deadline=None)
@given(st.text(max_size=200))
def test_arbitrary_text_never_crashes(text: str) -> None:
    """Any text is either read or refused with a ResourceError."""
    try:
        parse(text, "f.yaml")
    except ResourceError as error:
        assert str(error).startswith("f.yaml")


FRAGMENTS = st.sampled_from(
    [
        *"-?:,[]{}#&*!|>'\"%@`<~\n\t =",
        "a",
        "b: ",
        "- ",
        "&x ",
        "*x",
        "<<: ",
        "!!str ",
        "---\n",
        "...\n",
        "  ",
        "1",
        "yes",
        '"',
    ]
)


@settings(deadline=None)
@given(st.lists(FRAGMENTS, max_size=40).map("".join))
def test_arbitrary_yaml_never_crashes(text: str) -> None:
    """Any heap of YAML's own signs is either read or refused with a ResourceError."""
    try:
        parse(text, "f.yaml")
    except ResourceError as error:
        assert str(error).startswith("f.yaml")


def read_slowly(text: str) -> list[tuple[object, int]]:
    """The values of all documents and where they begin, from the pass that knows the line of everything."""
    found = [(_Builder("f.yaml").value_of(tree.root), tree.begin) for tree in trees(text, "f.yaml")]
    return [each for each in found if each[0] is not None]


@settings(deadline=None)
@given(st.lists(FRAGMENTS | st.sampled_from(["a: ", "b:\n", " c: 2\n", "\n", "ä"]), max_size=25).map("".join))
def test_both_passes_read_the_same(text: str) -> None:
    """The quick pass reads what the careful one reads, and leaves to it what it does not know."""
    try:
        quick = [(each.value, each.begin) for each in values(text) if each.value is not None]
    except (Unusual, yaml.YAMLError):
        return
    careful = read_slowly(text)
    assert quick == careful
    assert [document.value for document in parse(text, "f.yaml")] == [each[0] for each in careful]


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.integers() | st.lists(st.text("xyä\n"), max_size=3)), max_size=4
    )
)
def test_lines_in_one_file_and_in_several(documents: list[dict[str, object]]) -> None:
    """A document of many knows its lines as if it stood alone, but for the lines before it."""
    texts = [f"# {n}\n---\n{yaml.safe_dump(each, allow_unicode=True)}" for n, each in enumerate(documents)]
    found = parse("".join(texts), "f.yaml")
    before = 0
    for text, document in zip(texts, found, strict=True):
        (alone,) = parse(text, "f.yaml")
        for key in alone.value:
            assert document.line((key,)) == alone.line((key,)) + before
        before += text.count("\n")


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_crash(data: bytes) -> None:
    """Any bytes are either read or refused with a ResourceError."""
    try:
        parse(data, "f.yaml")
    except ResourceError as error:
        assert str(error).startswith("f.yaml")


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=10)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(TEXTS, JSON, min_size=1, max_size=4))
def test_json_round_trip(given_value: dict[str, object]) -> None:
    """What is written as JSON comes back as it was, and each line is that of its key."""
    text = json.dumps(given_value, indent=1, ensure_ascii=False)
    (document,) = parse(text, "f.json")
    assert document.value == given_value
    rows = text.split("\n")
    for key in given_value:
        assert json.dumps(key, ensure_ascii=False) in rows[document.line((key,)) - 1]


@settings(deadline=None)
@given(st.dictionaries(TEXTS, JSON, min_size=1, max_size=4))
def test_yaml_round_trip(given_value: dict[str, object]) -> None:
    """What PyYAML writes with quotes around its texts comes back as it was."""
    text = yaml.safe_dump(given_value, default_style='"', allow_unicode=True)
    (document,) = parse(text, "f.yaml")
    assert document.value == given_value


@pytest.mark.parametrize(
    "text", ["a: [" + "[]," * 460_000 + "]", "---\n" * 320_000, "- a\n" * 910_000, "--- a\n" * 310_000]
)
def test_too_many_values(text: str) -> None:
    """A file may be small enough and still hold more than a manifest; it is not read to its end, by the careful reader neither."""
    for each in (text, f"? &a b\n: {text}" if text.startswith("a") else text):
        with pytest.raises(ResourceError, match=r"f\.yaml: holds more values than any Kubernetes manifest does"):
            parse(each, "f.yaml")


def test_line_of_the_whole() -> None:
    """A document stands where it begins to say something."""
    first, second = parse("# a\n\n---\n# b\nkind: X\n---\n\n\n{kind: Y}\n", "f.yaml")
    assert (first.line(()), second.line(())) == (5, 9)


def test_lines_of_json_without_line_ends() -> None:
    """What a program wrote stands on one line."""
    (document,) = parse("\n\n" + json.dumps({"kind": "X", "spec": {"http": [{"a": 1}]}}) + "\n", "f.json")
    assert document.line(("spec", "http", 0, "a")) == 3
