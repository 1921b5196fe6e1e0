"""Samples: columns in send order, and what is read from them."""

from __future__ import annotations

import csv
import io
import math
import pickle
from array import array

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtest.traffic.cause import Cause
from meshtest.traffic.sample import Recording, Row, Sample, join

# No timing assertions: a busy machine is no failure.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

CAUSES = st.sampled_from(
    [None, Cause(status=503, flags=("UO",)), Cause(status=200, details="via_upstream", attempts=2)]
)
ROWS = st.lists(
    st.one_of(
        st.builds(
            Row,
            st.floats(0, 100),
            st.floats(0, 10),
            st.integers(100, 599),
            st.sampled_from(["v1", "v2", None]),
            st.none(),
            CAUSES,
        ),
        st.builds(
            Row,
            st.floats(0, 100),
            st.floats(0, 10),
            st.just(0),
            st.none(),
            st.sampled_from(["connect: refused", "x"]),
            CAUSES,
        ),
    ),
    max_size=50,
)


def of(rows: list[Row], began: float = 0.0) -> Sample:
    """A sample with these rows."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), (), ()]
    causes = columns[5] if any(columns[5]) else None
    return Sample(
        array("d", columns[0]), array("d", columns[1]), array("H", columns[2]), columns[3], columns[4], began, causes
    )


def test_a_recording_keeps_the_send_order() -> None:
    """Answers may come in any order; the columns keep the order of sending."""
    recording = Recording(100.0)
    first, second, third = recording.begin(100.5), recording.begin(101.0), recording.begin(101.5)
    recording.answer(third, 102.0, 503, None)
    recording.fail(second, 103.0, "read: reset")
    recording.answer(first, 104.0, 200, "v2")
    sample = recording.sample()
    assert list(sample.rows()) == [
        Row(0.5, 3.5, 200, "v2", None),
        Row(1.0, 2.0, 0, None, "read: reset"),
        Row(1.5, 0.5, 503, None, None),
    ]
    assert sample.answered == ["v2", None]
    assert sample.counts() == {"v2": 1, None: 1}
    assert sample.statuses() == {200: 1, 503: 1}
    assert sample.errors == {"read: reset": 1}
    assert sample.rate == pytest.approx(2 / 3.5)


@PATIENT
@given(ROWS)
def test_every_request_is_counted_once(rows: list[Row]) -> None:
    """An answer is an observation with or without a version; a transport error is none, and counted apart."""
    sample = of(rows)
    answered = [row for row in rows if row.error is None]
    assert len(sample) == len(rows) == sum(sample.counts().values()) + sum(sample.errors.values())
    assert sample.answered == [row.version for row in answered]
    assert sum(sample.statuses().values()) == len(answered)


@PATIENT
@given(ROWS, st.floats(0, 1))
def test_a_quantile_is_an_observation(rows: list[Row], q: float) -> None:
    """At least a share q of the answers took no longer, and fewer than that were strictly faster."""
    latencies = [row.latency for row in rows if row.error is None]
    value = of(rows).quantile(q)
    if not latencies:
        assert math.isnan(value)
        return
    assert value in latencies
    assert sum(latency <= value for latency in latencies) >= q * len(latencies) - 1e-9
    assert sum(latency < value for latency in latencies) <= q * len(latencies)


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_a_quantile_beyond_one_is_refused(q: float) -> None:
    """Percent instead of a share is the usual mistake."""
    with pytest.raises(ValueError, match="quantile"):
        of([]).quantile(q)


@PATIENT
@given(ROWS, ROWS, st.floats(0, 1000), st.floats(0, 1000))
def test_joining_keeps_rows_and_the_clock(one: list[Row], two: list[Row], began: float, later: float) -> None:
    """Joined samples have the rows of both, and each request still begins when it began."""
    a, b = of(one, began), of(two, later)
    joined = join(a, b)
    assert len(joined) == len(one) + len(two)
    assert joined.began == min(began, later)
    assert [row[1:] for row in joined.rows()] == [row[1:] for row in [*one, *two]]
    absolute = [began + row.started for row in one] + [later + row.started for row in two]
    assert [joined.began + row.started for row in joined.rows()] == pytest.approx(absolute)


def test_joining_nothing_is_an_empty_sample() -> None:
    """No samples make an empty one, with figures that say so."""
    empty = join()
    assert (len(empty), empty.counts(), empty.errors, empty.rate, empty.span) == (0, {}, {}, 0.0, 0.0)


@PATIENT
@given(ROWS)
def test_csv_can_be_read_back(rows: list[Row]) -> None:
    """The CSV has a header and every row, with None as an empty field."""
    table = list(csv.DictReader(io.StringIO(of(rows).to_csv(), newline="")))
    read = [
        Row(float(r["started"]), float(r["latency"]), int(r["status"]), r["version"] or None, r["error"] or None)
        for r in table
    ]
    assert [row[:5] for row in read] == [row[:5] for row in rows]


@PATIENT
@given(ROWS)
def test_causes_are_counted(rows: list[Row]) -> None:
    """Each request that the first proxy spoke of is counted once by its summary, and remarkable ones are listed; in CSV there are columns."""
    sample = of(rows)
    known = [row.cause for row in rows if row.cause]
    if not known:
        assert sample.causes is None
        return
    assert sample.known == known
    assert sample.summaries().total() == sample.flags().total() == len(known)
    assert sample.entries == [cause for cause in known if cause.flags == ("UO",)]
    table = list(csv.DictReader(io.StringIO(sample.to_csv(), newline="")))
    assert [row["flags"] for row in table] == [",".join(row.cause.flags) if row.cause else "" for row in rows]
    with pytest.raises(ValueError, match="process that took the sample"):
        sample.log(0)


def test_samples_survive_pickling() -> None:
    """A sample can cross processes, as pytest-xdist's reports do."""
    recording = Recording(1.0)
    recording.answer(recording.begin(1.5), 2.0, 200, "v1")
    sample = recording.sample()
    assert pickle.loads(pickle.dumps(sample)) == sample


def test_columns_of_different_length_are_refused() -> None:
    """A sample is a table."""
    with pytest.raises(ValueError, match="one length"):
        Sample([0.0], [], [], [], [])
