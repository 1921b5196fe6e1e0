"""Field types: durations, numbers, and the words of their complaints."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtest.resources.document import Path
from meshtest.resources.duration import envoy_duration, nanoseconds
from meshtest.resources.schema import Message, Report, Text, Type, Whole, named, nearest


def read(type_: Type, value: object) -> tuple[object, list[str]]:
    """What a type makes of a value, and what it says."""
    said: list[str] = []

    def report(path: Path, message: str, *, unsupported: bool = False) -> None:
        said.append(f"{'.'.join(map(str, path))}: {message}")

    return type_.read(value, ("spec",), report), said


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(
            ("5s", 5 * 10**9),
            ("1h5m", 3900 * 10**9),
            ("100ms", 10**8),
            ("1.5s", 15 * 10**8),
            (".5s", 5 * 10**8),
            ("1.s", 10**9),
        ),
        *(
            ("0", 0),
            ("-0", 0),
            ("+3s", 3 * 10**9),
            ("-3s", -3 * 10**9),
            ("1us", 1000),
            ("1µs", 1000),
            ("1ns", 1),
            ("0.3s", 3 * 10**8),
        ),
        *(
            ("", None),
            ("5", None),
            ("s", None),
            (".s", None),
            ("5 s", None),
            ("5s ", None),
            ("1e3s", None),
            ("٣s", None),
            ("1d", None),
        ),
        *(
            ("-", None),
            ("--5s", None),
            ("5s5", None),
            ("9223372036s", 9223372036 * 10**9),
            ("9223372037s", None),
            ("9" * 99 + "s", None),
        ),
    ],
)
def test_durations(text: str, amount: int | None) -> None:
    """A duration is read as Go's `time.ParseDuration` does."""
    assert nanoseconds(text) == amount


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1))
def test_durations_round_trip(amount: int) -> None:
    """Envoy's form of a duration is the same duration, exactly, and has no needless zeros."""
    text = envoy_duration(amount)
    assert nanoseconds(text) == amount
    assert Decimal(text[:-1]) * 10**9 == amount
    assert not text[:-1].endswith(".")
    assert "." not in text or not text[:-1].endswith("0")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 999), st.sampled_from(["h", "m", "s", "ms", "us", "ns"])), min_size=1, max_size=5)
)
def test_durations_add_up(parts: list[tuple[int, str]]) -> None:
    """The parts of a duration are added."""
    units = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert nanoseconds(text) == sum(number * units[unit] for number, unit in parts)


@settings(deadline=None)
@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_none(text: str) -> None:
    """No text makes reading a duration fail otherwise."""
    assert nanoseconds(text) is None or text[-1] in "shm0"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        *(
            (None, "nothing (null)"),
            (True, "the boolean true"),
            (5, "the number 5"),
            (1.5, "the number 1.5"),
            ("a", "the text 'a'"),
        ),
        *(([], "a list"), ({}, "a mapping"), (b"", "a bytes"), (float("nan"), "the number of more")),
        ("x" * 100, f"the text '{'x' * 57}...'"),
    ],
)
def test_values_are_named(value: object, words: str) -> None:
    """A value is called what its author would call it, shortly."""
    assert words in named(value)


def test_whole_numbers() -> None:
    """A float without a fraction is a whole number, as in JSON."""
    assert read(Whole(0, 10), 5.0) == (5, [])
    assert named(10**5000) == "the number of more than 30 digits"
    assert read(Whole(0, 10), 10**5000)[1] == ["spec: must be from 0 to 10; this is of more than 30 digits"]
    assert "take the quotes away" in read(Whole(0, 10), "5")[1][0]


def test_rules_see_only_what_is_sound() -> None:
    """A rule of the whole runs when nothing inside is wrong, so that it may rely on types."""
    seen = []

    def rule(spec: object, path: Path, report: Report) -> None:
        seen.append(spec)

    message = Message({"a": Text(), "b": Whole()}, rules=(rule,))
    read(message, {"a": 5})
    read(message, {"c": 5})
    assert seen == []
    assert read(message, {"a": "x", "b": 2.0}) == ({"a": "x", "b": 2}, [])
    assert seen == [{"a": "x", "b": 2}]


def test_the_nearest_word() -> None:
    """A misspelt word is answered with the nearest known one, in any case, or with none."""
    assert nearest("wieght", ["weight", "host"]) == "; did you mean 'weight'?"
    assert nearest("RANDOM_", ["random"]) == "; did you mean 'random'?"
    assert nearest("x" * 10_000, ["random"]) == ""
