"""The record of a run as OpenMetrics text, for the monitoring of nightly runs: https://prometheus.io/docs/specs/om/open_metrics_spec/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from meshtest.report.record import OUTCOMES, Record, Test

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_VERDICTS = ("HOLDS", "VIOLATED", "UNDECIDED")
_FINDING = ("test", "verdict_number", "request")
_QUANTILES = {"p10": "0.1", "p50": "0.5", "p90": "0.9", "p99": "0.99", "most": "1"}


def metrics(record: Record) -> str:
    """The text, ended by `# EOF`."""
    from prometheus_client.openmetrics.exposition import generate_latest
    from prometheus_client.registry import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(record))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode()


class _Collector:
    def __init__(self, record: Record) -> None:
        self._record = record

    def collect(self) -> Iterator[Metric]:
        yield from _of_run(self._record)
        yield from _of_tests(self._record)
        yield from _of_findings(self._record)


def _of_run(record: Record) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    run = record.run
    versions = {f"{name.lower()}_version": value for name, value in run.versions.items()}
    yield InfoMetricFamily("meshtest_run", "On which mesh, with which versions.", value={"mesh": run.mesh, **versions})
    began = datetime.fromisoformat(run.began).timestamp()
    yield GaugeMetricFamily("meshtest_run_begin_seconds", "When it began (Unix time).", value=began, unit="seconds")
    yield GaugeMetricFamily("meshtest_run_duration_seconds", "How long it took.", value=run.seconds, unit="seconds")
    yield GaugeMetricFamily(
        "meshtest_run_exit_status", "pytest's; 10: only undecided, 11: only broken.", value=run.exit
    )
    counts = GaugeMetricFamily("meshtest_tests", "Tests by what became of them.", labels=["outcome"])
    for outcome in OUTCOMES:
        counts.add_metric([outcome], record.counts.get(outcome, 0))
    counts.add_metric(["missing"], len(run.missing))
    yield counts


def _of_tests(record: Record) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily, StateSetMetricFamily

    outcomes = StateSetMetricFamily("meshtest_test_outcome", "What became of each test.", labels=["test"])
    seconds = GaugeMetricFamily(
        "meshtest_test_duration_seconds", "How long each test took.", labels=["test"], unit="seconds"
    )
    for test in record.tests:
        outcomes.add_metric([test.nodeid], {each: each == test.outcome for each in OUTCOMES})
        seconds.add_metric([test.nodeid], test.seconds)
    yield outcomes
    yield seconds


def _of_findings(record: Record) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily, StateSetMetricFamily

    labels = list(_FINDING)
    verdicts = StateSetMetricFamily("meshtest_verdict", "Each verdict.", labels=labels)
    requests = GaugeMetricFamily("meshtest_verdict_requests", "Requests that a verdict took.", labels=labels)
    shares = GaugeMetricFamily(
        "meshtest_share_ratio",
        "The share of each version: configured, observed, and the ends of its 99 % interval.",
        labels=[*labels, "arm", "value"],
        unit="ratio",
    )
    latencies = GaugeMetricFamily(
        "meshtest_latency_seconds",
        "Quantiles of what answers took, by version or status.",
        labels=[*labels, "answered", "quantile"],
        unit="seconds",
    )
    controls = GaugeMetricFamily(
        "meshtest_controls", "Meshes made wrong on purpose, by whether that was noticed.", labels=["test", "noticed"]
    )
    for test in record.tests:
        for own, finding in _findings(test):
            verdicts.add_metric(own, {each: each == finding["verdict"] for each in _VERDICTS})
            requests.add_metric(own, finding["requests"])
            for more, value in _shares(finding):
                shares.add_metric([*own, *more], value)
            for more, value in _latencies(finding):
                latencies.add_metric([*own, *more], value)
        if test.controls:
            noticed = sum(each["verdict"] == "VIOLATED" for each in test.controls)
            controls.add_metric([test.nodeid, "true"], noticed)
            controls.add_metric([test.nodeid, "false"], len(test.controls) - noticed)
    yield from (verdicts, requests, shares, latencies, controls)


def _findings(test: Test) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
    for number, finding in enumerate(test.verdicts):
        yield [test.nodeid, str(number), str(finding["request"])], finding


def _shares(finding: Mapping[str, Any]) -> Iterator[tuple[list[str], float]]:
    for arm in finding["evidence"].get("arms", ()):
        low, high = arm["interval"]
        values = {"configured": arm["configured"], "observed": arm["observed"], "low": low, "high": high}
        for name, value in values.items():
            yield [str(arm["arm"] or ""), name], value


def _latencies(finding: Mapping[str, Any]) -> Iterator[tuple[list[str], float]]:
    for row in (finding["evidence"].get("latency") or {}).get("rows", ()):
        for name, quantile in _QUANTILES.items():
            if name in row:
                yield [str(row["name"]), quantile], row[name]
