"""The pytest plugin's entry point: options, markers, fixtures, and what pytest reports. Imports nothing heavy: each run loads it."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

from meshtest.fixtures import Mesh, ingress, mesh
from meshtest.story import STORY

__all__ = ["ingress", "mesh"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini values; the command line beats the ini file, a marker beats both."""
    group = parser.getgroup("meshtest", "service mesh tests")
    group.addoption(
        "--mesh", choices=["local", "kubernetes"], default=None, help="where resources take effect (default: local)"
    )
    group.addoption(
        "--mesh-workloads",
        action="append",
        default=[],
        metavar="PATH",
        help="Kubernetes manifests of what runs in the local mesh: a file or folder, may be given several times (default: Bookinfo)",
    )
    group.addoption(
        "--mesh-connections",
        type=_count,
        default=None,
        metavar="N",
        help="connections that a measurement keeps open (default: 16)",
    )
    group.addoption(
        "--kube-context",
        default=None,
        metavar="C",
        help="the cluster, by its context in the kubeconfig (default: the current one)",
    )
    group.addoption(
        "--mesh-namespace",
        action="append",
        default=[],
        metavar="N",
        help="a namespace of the cluster that may be touched, may be given several times: no other one is; the first is for resources "
        "that name none",
    )
    group.addoption(
        "--mesh-gateway",
        default=None,
        metavar="URL",
        help="where the cluster's ingress gateway is reached (default: it is found); in-cluster: from a pod of the run's own there",
    )
    group.addoption("--mesh-image", default=None, metavar="I", help="the image of that pod (meshtest bookinfo's)")
    group.addoption(
        "--mesh-pull-policy",
        choices=["Always", "IfNotPresent", "Never"],
        default=None,
        help="when that image is pulled (default: as the cluster does it)",
    )
    group.addoption(
        "--mesh-wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long to wait for another run that works in a namespace of the cluster (default: not at all)",
    )
    group.addoption(
        "--mesh-insist",
        action="store_true",
        help="apply hosts of Gateways as they are written, also where the cluster's gateway serves others (default: hosts get a suffix "
        "of the run's own there, and what would still take from others is refused)",
    )
    group.addoption(
        "--mesh-plan",
        action="store_true",
        help="apply nothing to the cluster: say what each test would create and change there, and what would be restored",
    )
    group.addoption(
        "--mesh-mutants",
        action="store_true",
        help="run each test once for each small change to the manifest beside its module, and fail for those that no test notices",
    )
    group.addoption(
        "--mesh-report",
        default=None,
        metavar="DIR",
        help="folder for the report (index.html) and its record (last.json); empty: none (default: reports in the root of the tests)",
    )
    group.addoption(
        "--mesh-baseline",
        default=None,
        metavar="FILE",
        help="the record (last.json) of another run: what is newly red, mended or slower since then is said at the end",
    )
    parser.addini("mesh", "where resources take effect: local or kubernetes", default="local")
    parser.addini("kube_context", "the cluster, by its context in the kubeconfig", default="")
    parser.addini("mesh_namespace", "namespaces of the cluster that may be touched", type="args", default=[])
    parser.addini("mesh_gateway", "where the cluster's ingress gateway is reached", default="")
    parser.addini(
        "mesh_workloads", "manifests of what runs in the local mesh, relative to the ini file", type="args", default=[]
    )
    parser.addini(
        "mesh_analysis",
        "what to do with findings of `meshtest analyze` in resources that a test applies: warn, error or off",
        default="warn",
    )
    parser.addini(
        "mesh_failures",
        "folder for what the proxies held and counted when a test failed, relative to the root of the tests; empty: it is not kept",
        default="reports/failures",
    )
    parser.addini(
        "mesh_report",
        "folder for the report (index.html) and its record (last.json), relative to the root of the tests; empty: none",
        default="reports",
    )
    parser.addini("mesh_connections", "connections that a measurement keeps open", default="16")


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ValueError(f"{text!r} is no number from 1 to 1000")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    """Markers, and options that make no sense."""
    config.addinivalue_line(
        "markers", "mesh_workloads(*paths): Kubernetes manifests beside the test, of what runs in its mesh"
    )
    config.addinivalue_line(
        "markers",
        "mesh_needs(*capabilities): what the mesh must be able to do (mutual-tls, pod-addresses, hosts-outside, "
        "refused-connections, statistics, exact-limits, prompt-ejections); else the test is skipped",
    )
    config.addinivalue_line(
        "markers",
        "mesh_mutants(points=10, skip={pattern: reason}): with --mesh-mutants, by how much shares are moved, and which mutants need "
        "not be noticed",
    )
    _check_mesh(config)
    if config.getini("mesh_analysis") not in ("warn", "error", "off"):
        raise pytest.UsageError(f"mesh_analysis = {config.getini('mesh_analysis')}: must be warn, error or off")
    if not str(config.getini("mesh_connections")).isdigit():
        raise pytest.UsageError(
            f"mesh_connections = {config.getini('mesh_connections')}: must be a number from 1 to 1000"
        )
    if config.getoption("allure_report_dir", None):
        from meshtest.report.allure import AllureStory

        config.stash[STORY] = AllureStory()
    if config.getoption("mesh_mutants"):
        _run_mutants(config)
    elif not (hasattr(config, "workerinput") or config.getoption("mesh_plan") or config.option.collectonly):
        _record(config)


def _check_mesh(config: pytest.Config) -> None:
    kind = config.getoption("mesh") or config.getini("mesh")
    if kind not in ("local", "kubernetes"):
        raise pytest.UsageError(f"mesh = {kind}: there is no such mesh; use local or kubernetes")
    if kind == "kubernetes" and not (config.getoption("mesh_namespace") or config.getini("mesh_namespace")):
        raise pytest.UsageError("--mesh kubernetes: name at least one --mesh-namespace; no other namespace is touched")
    if kind == "local" and config.getoption("mesh_plan"):
        raise pytest.UsageError("--mesh-plan is about a cluster: give --mesh kubernetes, too")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Says of broken surroundings that they are, so that an exit status can tell them from a policy that does not hold."""
    if call.excinfo is not None and item.config.getoption("mesh_plan"):
        _skip_what_is_planned(call)
    if call.excinfo is not None and "meshtest.outcome" not in dict(item.user_properties):
        from meshtest.report.outcome import outcome

        if found := outcome(call.excinfo.value):
            item.user_properties.append(("meshtest.outcome", found))
    report = yield
    _shorten(call, report)  # here, and not when all hooks have seen the report: pytest-xdist has sent it away then
    folder = ""
    if report.when != "teardown" and "mesh" in getattr(item, "fixturenames", ()):
        from meshtest.report.note import attach, mesh_of

        mesh = mesh_of(item)
        if mesh is not None and report.when == "call" and report.failed:
            folder = _keep_testimony(item, report, mesh)
        attach(item, report, folder)
    return report


def _keep_testimony(item: pytest.Item, report: pytest.TestReport, mesh: Mesh) -> str:
    """Keep what the mesh says of itself, where `mesh_failures` says; the folder, relative to the root of the tests."""
    place = str(item.config.getini("mesh_failures"))
    if not place or item.config.getoption("mesh_mutants"):
        return ""
    from meshtest.errors import MeshError
    from meshtest.report.failure import keep
    from meshtest.report.reproduction import told

    try:
        texts = {**mesh.testimony(), "again.txt": told(item.config, item.nodeid, mesh.versions)}
        folder = keep(item.config.rootpath / place, item.nodeid, texts)
    except (MeshError, OSError) as error:
        report.sections.append(("mesh", f"what the proxies held could not be kept: {error}"))
        return ""
    report.sections.append(("mesh", f"what the proxies held and counted is in {folder}"))
    return os.path.relpath(folder, item.config.rootpath)


def _skip_what_is_planned(call: pytest.CallInfo[Any]) -> None:
    from meshtest.errors import OnlyPlanned

    if call.excinfo is not None and isinstance(call.excinfo.value, OnlyPlanned):
        skipped = pytest.skip.Exception(str(call.excinfo.value)).with_traceback(call.excinfo.tb)
        call.excinfo = pytest.ExceptionInfo.from_exception(skipped)


@pytest.hookimpl(tryfirst=True)
def pytest_exception_interact(call: pytest.CallInfo[Any], report: pytest.CollectReport | pytest.TestReport) -> None:
    """A failure of a resource when tests are collected is its message, too."""
    if isinstance(report, pytest.CollectReport):
        _shorten(call, report)


def _shorten(call: pytest.CallInfo[Any], report: pytest.CollectReport | pytest.TestReport) -> None:
    """A failure of the mesh or a resource is its message and the test's line, without frames of meshtest."""
    if call.excinfo is not None and report.failed:
        from meshtest.errors import MeshtestError, PolicyViolation

        if isinstance(call.excinfo.value, MeshtestError | PolicyViolation):
            from meshtest.report.terminal import shorten

            shorten(report, call.excinfo)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of all verdicts."""
    from meshtest.report.terminal import summarize

    summarize(terminalreporter, config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Exit status 10 when all that is red is UNDECIDED, 11 when all of it is broken surroundings."""
    if exitstatus == pytest.ExitCode.TESTS_FAILED and not hasattr(session.config, "workerinput"):
        from meshtest.report.outcome import exit_status

        session.exitstatus = exit_status(session.config)


def _record(config: pytest.Config) -> None:
    """Gather the run's record, unless nobody wants it."""
    given = config.getoption("mesh_report")
    folder = config.getini("mesh_report") if given is None else given
    baseline = config.getoption("mesh_baseline")
    if baseline and not folder:
        raise pytest.UsageError("--mesh-baseline compares records, and this run writes none: give --mesh-report DIR")
    if folder:
        from meshtest.report.exports import Exports
        from meshtest.report.recording import Recording

        here = config.invocation_params.dir
        root = (config.rootpath if given is None else here) / folder
        try:
            exports = Exports(root, here / baseline if baseline else None)
        except (OSError, ValueError) as error:
            raise pytest.UsageError(f"--mesh-baseline: {error}") from None
        config.pluginmanager.register(Recording(config, root, exports), "meshtest.recording")


def _run_mutants(config: pytest.Config) -> None:
    from meshtest.mutation.run import Run

    config.pluginmanager.register(Run(), "meshtest.mutation")
    if not hasattr(config, "workerinput"):
        from meshtest.report.mutants import Mutants

        config.pluginmanager.register(Mutants(config.rootpath), "meshtest.mutants")
