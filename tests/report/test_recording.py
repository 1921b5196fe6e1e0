"""The record of real runs: however they end, complete as far as they got, and without secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from meshtest.report.record import Record, Test, read
from tests.meshes.manifests import GATEWAY, SUBSETS, rules

SPLIT = """[{route: [
    {destination: {host: reviews, subset: v1}, weight: 80},
    {destination: {host: reviews, subset: v2}, weight: 20}]}]"""

TESTS = '''
import os
import pytest
from meshtest import GET, split

def test_holds(mesh, ingress):
    """The canary takes a fifth."""
    mesh.apply("canary.yaml")
    ingress.expect(GET("/reviews/0"), split(v1=80, v2=20, within=10))

def test_violated(mesh, ingress):
    mesh.apply("canary.yaml")
    ingress.expect(GET("/reviews/0"), split(v1=20, v2=80, within=10))

def test_undecided(mesh, ingress):
    mesh.apply("canary.yaml")
    ingress.expect(GET("/reviews/0"), split(v1=80, v2=20, within=1, max_requests=50))

def test_broken(mesh, ingress):
    ingress.get("/reviews/0")

def test_failed(mesh):
    assert mesh.kind == "moon"

@pytest.mark.skip(reason="it rains")
def test_skipped(mesh):
    pass

@pytest.fixture
def untidy():
    yield
    raise OSError("no more paper")

def test_untidy(mesh, untidy):
    pass

def test_other():
    """It has no mesh, and is none of the report's business."""
'''

OUTCOMES = {
    "test_holds": "passed",
    "test_violated": "violated",
    "test_undecided": "undecided",
    "test_broken": "broken",
    "test_failed": "failed",
    "test_skipped": "skipped",
    "test_untidy": "failed",
}


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A user's folder with a manifest, `canary.yaml`: 80 % of all requests to reviews v1, 20 % to v2."""
    Path(pytester.path, "canary.yaml").write_text(GATEWAY + rules(SPLIT) + SUBSETS)
    return pytester


def recorded(project: pytest.Pytester, folder: str = "reports") -> tuple[Record, dict[str, Test]]:
    """The record of the last run, and its tests by name; there is a page, too, and nothing half-written."""
    assert {each.name for each in Path(project.path, folder).glob("*") if each.is_file()} == {
        "last.json",
        "index.html",
        "metrics.txt",
    }
    record = read(Path(project.path, folder, "last.json"))
    return record, {each.name: each for each in record.tests}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_all_outcomes(project: pytest.Pytester, workers: str) -> None:
    """Every outcome with its reason, the policies as they were written, findings and the command; by pytest-xdist just the same."""
    project.makepyfile(test_all=TESTS)
    result = project.runpytest_subprocess("-n", workers, "--mesh=local")
    result.stdout.fnmatch_lines(["mesh report: reports?index.html"])
    record, tests = recorded(project)
    assert {name: each.outcome for name, each in tests.items()} == OUTCOMES
    assert (record.run.exit, record.run.ended, record.run.missing) == (1, "failed", ())
    assert record.run.mesh == "local"
    assert record.run.versions.keys() == {"Envoy", "meshtest", "Python", "pytest"}
    assert record.run.command.endswith(f"-n {workers} --mesh=local")
    holds, violated = tests["test_holds"], tests["test_violated"]
    assert (holds.file, holds.line, holds.doc) == ("test_all.py", 5, "The canary takes a fifth.")
    assert holds.command == "pytest test_all.py::test_holds --mesh=local"
    written = Path(project.path, "canary.yaml").read_text().splitlines()
    for policy in (record.policies[each] for each in holds.policies):
        first = policy.text.splitlines()
        assert written[policy.line - 1 : policy.line - 1 + len(first)] == first
    assert [record.policies[each].kind for each in holds.policies] == ["Gateway", "VirtualService", "DestinationRule"]
    assert len(record.policies) == 3, "each is there once"
    assert holds.findings[0]["evidence"]["path"]["destinations"][1] == {
        "host": "reviews.default.svc.cluster.local",
        "subset": "v2",
        "share": 0.2,
    }
    assert {each["name"] for each in holds.findings[0]["evidence"]["latency"]["rows"]} == {"v1", "v2"}
    assert violated.why.startswith("VIOLATED: GET /reviews/0")
    assert Path(project.path, violated.folder).is_dir()
    assert "nothing listens" in tests["test_broken"].why
    assert "moon" in tests["test_failed"].why
    assert tests["test_skipped"].why == "it rains"
    assert "no more paper" in tests["test_untidy"].why


def test_some_of_the_tests(project: pytest.Pytester) -> None:
    """With -k and --lf what was not chosen is not missing; each run has a record of its own."""
    project.makepyfile(test_all=TESTS)
    project.runpytest_subprocess("-k", "failed or skipped")
    assert recorded(project)[1].keys() == {"test_failed", "test_skipped"}
    project.runpytest_subprocess("--lf")
    record, tests = recorded(project)
    assert tests.keys() == {"test_failed"}
    assert not record.run.missing


def test_a_first_failure_ends_it(project: pytest.Pytester) -> None:
    """With -x, what comes after is missing, and the page says so; a test without a mesh is not spoken of."""
    project.makepyfile(test_all=TESTS)
    project.runpytest_subprocess("-x", "-k", "failed or skipped or untidy or other")
    record, tests = recorded(project)
    assert tests.keys() == {"test_failed"}
    assert [(each.nodeid, each.why) for each in record.run.missing] == [
        ("test_all.py::test_skipped", "it did not run"),
        ("test_all.py::test_untidy", "it did not run"),
    ]
    assert "of 4 tests, 2 did not run to the end" in Path(project.path, "reports/index.html").read_text()


def test_a_module_that_cannot_be_read(project: pytest.Pytester) -> None:
    """What could not be collected is missing, and says why; without it the old report would seem to be of this run."""
    project.makepyfile(test_one="def test_mesh(mesh):\n    pass\n", test_two="import nothing_of_this_name\n")
    project.runpytest_subprocess()
    record, tests = recorded(project)
    assert (tests, record.run.ended) == ({}, "interrupted")
    assert {each.nodeid: each.why.partition(":")[0] for each in record.run.missing} == {
        "test_two.py": "it could not be collected",
        "test_one.py::test_mesh": "it did not run",
    }
    assert "nothing_of_this_name" in record.run.missing[0].why
    Path(project.path, "reports/index.html").unlink()
    project.runpytest_subprocess("--collect-only", "test_one.py")
    assert not Path(project.path, "reports/index.html").exists()


def test_a_worker_that_crashes(project: pytest.Pytester) -> None:
    """The test in which a worker ended is broken, and says so; the others are there."""
    project.makepyfile(test_crash="import os\ndef test_crash(mesh):\n    os._exit(3)\ndef test_fine(mesh):\n    pass\n")
    project.runpytest_subprocess("-n", "1")
    record, tests = recorded(project)
    assert {name: each.outcome for name, each in tests.items()} == {"test_crash": "broken", "test_fine": "passed"}
    assert "crashed" in tests["test_crash"].why
    assert [each.nodeid for each in record.run.missing] == ["test_crash.py::test_crash"]


def test_ctrl_c(project: pytest.Pytester) -> None:
    """A run that is interrupted is written, with what was known of the test that was under way, and what did not run."""
    project.makepyfile(
        test_long="""
from pathlib import Path
from meshtest import GET, split

def test_short(mesh):
    pass

def test_long(mesh, ingress):
    mesh.apply("canary.yaml")
    Path("started").touch()
    ingress.expect(GET("/reviews/0"), split(v1=80, v2=20, within=0.1))

def test_never(mesh):
    pass
"""
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    run = subprocess.Popen(command, cwd=project.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0)
    try:
        deadline = time.monotonic() + 60
        while not Path(project.path, "started").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGINT)
        output, _ = run.communicate(timeout=60)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    record, tests = recorded(project)
    assert record.run.ended == "interrupted"
    assert {name: each.outcome for name, each in tests.items()} == {"test_short": "passed", "test_long": "broken"}
    assert [each.nodeid.partition("::")[2] for each in record.run.missing] == ["test_long", "test_never"]


def test_where_it_goes(project: pytest.Pytester) -> None:
    """--mesh-report names the folder, an empty ini value switches it off, and runs without a mesh write nothing."""
    project.makepyfile(test_one="def test_mesh(mesh):\n    pass\n", test_two="def test_plain():\n    pass\n")
    project.runpytest_subprocess("test_two.py")
    assert not Path(project.path, "reports").exists()
    project.runpytest_subprocess("--mesh-report", "there/it/is", "test_one.py")
    assert recorded(project, "there/it/is")[1]["test_mesh"].command == "pytest test_one.py::test_mesh"
    project.makeini("[pytest]\nmesh_report =\n")
    project.runpytest_subprocess("test_one.py")
    assert not Path(project.path, "reports").exists()


def test_other_things_called_mesh(project: pytest.Pytester) -> None:
    """A parameter, or a fixture of the user's own, may have that name: it is left alone, also when its test fails; a wrapped one counts."""
    project.makepyfile(
        test_own="""
import pytest

@pytest.fixture
def mesh():
    return "of triangles"

def test_right(mesh):
    assert mesh == "of triangles"

def test_wrong(mesh):
    assert mesh == "of squares"
""",
        test_given="""
import pytest

@pytest.mark.parametrize("mesh", ["fine", "coarse"])
def test_given(mesh):
    assert mesh == "fine"
""",
        test_wrapped="""
import pytest

@pytest.fixture
def mesh(mesh):
    return mesh

def test_wrapped(mesh):
    assert mesh.kind == "local"
""",
    )
    project.runpytest_subprocess("test_own.py", "test_given.py").assert_outcomes(passed=2, failed=2)
    project.runpytest_subprocess("-n", "1", "test_own.py", "test_given.py").assert_outcomes(passed=2, failed=2)
    assert not Path(project.path, "reports").exists()
    project.runpytest_subprocess().assert_outcomes(passed=3, failed=2)
    assert recorded(project)[1].keys() == {"test_wrapped"}


def test_a_folder_that_cannot_be_written(project: pytest.Pytester) -> None:
    """Then the summary says so, and the run ends as it would have."""
    project.makepyfile(test_one="def test_mesh(mesh):\n    pass\n")
    Path(project.path, "reports").write_text("a file")
    result = project.runpytest_subprocess()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["mesh report: it could not be written: *File exists*--mesh-report DIR*"])


SECRET = "hunter2SECRETvalue"
PLANTED = f'''
import logging, sys, warnings
import pytest
from meshtest import GET, aborted, answered, split

HEADERS = {{"authorization": "Bearer {SECRET}", "cookie": "sid={SECRET}", "x-api-key": "{SECRET}"}}

@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>&amp;"])
def test_planted(mesh, ingress, name):
    """Markup: <b>bold</b> `<i>code</i>` </title><script>alert(2)</script>"""
    mesh.apply("canary.yaml", """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: secrets, annotations: {{note: "<script>alert(3)</script>"}}}}
spec:
  hosts: [other.example.com]
  http:
  - headers: {{request: {{set: {{authorization: "Basic {SECRET}", x-role: cat}}}}}}
    route: [{{destination: {{host: reviews}}}}]
""")
    print("<script>alert(4)</script> password={SECRET}")
    print("https://me:{SECRET}@example.com/?token={SECRET}")
    logging.getLogger().error("Set-Cookie: sid=%s; Path=/", "{SECRET}")
    found = ingress.get("/reviews/0?access_token={SECRET}", headers=HEADERS)
    ingress.expect(GET("/reviews/0?api_key={SECRET}&x=<y>".replace("<", "%3C").replace(">", "%3E"), headers=HEADERS), answered(200), causes=True)
    raise ValueError(f"-----BEGIN PRIVATE KEY-----\\n{SECRET}\\n-----END PRIVATE KEY----- <script>alert(5)</script> {{HEADERS}}")
'''


def test_secrets_and_markup(project: pytest.Pytester) -> None:
    """Planted in headers, URLs, YAML, output, log lines and exceptions, a secret is in no report, and no markup is markup."""
    project.makepyfile(test_planted=PLANTED)
    project.runpytest_subprocess("--mesh-workloads", f"none?token={SECRET}", "-k", "nothing")
    project.runpytest_subprocess("-o", f"cache_dir=x?token={SECRET}", "-l")
    _, tests = recorded(project)
    assert {each.outcome for each in tests.values()} == {"failed"}
    for name in ("last.json", "index.html"):
        text = Path(project.path, "reports", name).read_text()
        assert "[redacted]" in text
        assert SECRET not in text, text[text.index(SECRET) - 300 : text.index(SECRET) + 30]
    page = Path(project.path, "reports/index.html").read_text()
    assert "alert(4)" in page
    assert page.count("<script>") == page.count("</script>") == 1
    assert "<img" not in page
    assert "<b>bold" not in page


def test_a_command_that_makes_it_anew(project: pytest.Pytester) -> None:
    """`meshtest report` writes the same page from the record; what is no record is said."""
    project.makepyfile(test_one='def test_mesh(mesh):\n    """It is there."""\n')
    project.runpytest_subprocess()
    page = Path(project.path, "reports/index.html")
    before = page.read_text()
    page.unlink()
    assert _meshtest(project, "report") == (0, "reports/index.html\n")
    assert page.read_text() == before
    assert _meshtest(project, "report", "reports/last.json", "-o", "else") == (0, "else/index.html\n")
    status, told = _meshtest(project, "report", "nowhere.json")
    assert (status, "nowhere.json: No such file" in told) == (1, True)
    Path(project.path, "broken.json").write_text("[1]")
    status, told = _meshtest(project, "report", "broken.json")
    assert (status, "broken.json: this is no record of a run" in told) == (1, True)


def _meshtest(project: pytest.Pytester, *arguments: str) -> tuple[int, str]:
    command: Any = [sys.executable, "-m", "meshtest", *arguments]
    done = subprocess.run(
        command, cwd=project.path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode, done.stdout


def test_baseline(project: pytest.Pytester) -> None:
    """What has changed since another run is said at the end; a baseline that is none is a usage error, before anything runs."""
    project.makepyfile(test_all=TESTS)
    project.runpytest_subprocess("-k", "holds or failed")
    baseline = Path("reports", "last.json").rename("before.json")
    holds = "def test_holds(mesh, ingress):\n"
    project.makepyfile(test_all=TESTS.replace(holds, f"{holds}    raise ValueError\n"))
    result = project.runpytest_subprocess("-k", "holds or failed", "--mesh-baseline", str(baseline))
    result.stdout.fnmatch_lines(["since the baseline (20*", "  newly red: test_all.py::test_holds", "mesh report: *"])
    result.stdout.no_fnmatch_line("*newly red*test_failed")
    Path("before.json").write_text("{}")
    result = project.runpytest_subprocess("--mesh-baseline", "before.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --mesh-baseline: *before.json: this is no record of a run*"])
