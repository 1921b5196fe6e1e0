"""`--mesh-mutants` as a user sees it, on real Envoys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.meshes.manifests import GATEWAY, rules

HELLO = GATEWAY + rules(
    "\n  - match: [{uri: {prefix: /hello}}]\n    directResponse: {status: 299, body: {string: hi}}",
    hosts="[a.example]",
)
WELL_TESTED = """
def test_hello(mesh, ingress):
    mesh.apply("test_hello.yaml")
    answer = ingress.get("http://a.example/hello/you")
    assert (answer.status_code, answer.text) == (299, "hi")

def test_nothing_else(mesh, ingress):
    mesh.apply("test_hello.yaml")
    assert ingress.get("http://a.example/").status_code == 404

def test_without_a_mesh():
    raise AssertionError("is not run for mutants")
"""
WEAK = """
def test_hello(mesh, ingress):
    mesh.apply("test_weak.yaml")
    assert ingress.get("http://a.example/hello").status_code == 299
"""
BODY = "VirtualService/rules:http[0].directResponse.body.string=hi-mutant"


@pytest.fixture
def hello(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with two modules for one manifest: one with good tests, one with a weak one."""
    for name, code in {"test_hello": WELL_TESTED, "test_weak": WEAK}.items():
        Path(pytester.path, f"{name}.yaml").write_text(HELLO)
        Path(pytester.path, f"{name}.py").write_text(code)
    return pytester


def written(project: pytest.Pytester, module: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(project.path, "reports", "mutants.json").read_text())[module]
    return found


def fates(project: pytest.Pytester, module: str) -> dict[str, str]:
    return {each["mutant"]: each["verdict"] for each in written(project, module)["mutants"]}


def test_no_mutant_survives_good_tests(hello: pytest.Pytester) -> None:
    """Exit status 0; the table has a row; the file says who killed what, and how; equivalent ones are told apart."""
    result = hello.runpytest_subprocess("--mesh-mutants", "test_hello.py")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*= mutants =*", "module *mutants  killed  equivalent  survived  seconds", "test_hello.py *"]
    )
    found = written(hello, "test_hello.py")
    assert (found["unmutated"], found["survived"], found["equivalent"]) == ("green", 0, 3)
    assert found["killed"] == len(found["mutants"]) - 3 > 10
    killed = {each["mutant"]: each for each in found["mutants"]}[BODY]
    assert killed["cause"] == "AssertionError"
    assert killed["test"] == f"test_hello.py::test_hello[{BODY}]"
    assert (
        killed["change"]
        == "VirtualService default/rules: spec.http[0].directResponse.body.string is hi-mutant instead of hi"
    )
    assert fates(hello, "test_hello.py")["Gateway/edge:servers[0].port.protocol=HTTP2"] == "equivalent"


def test_survivors_are_named(hello: pytest.Pytester) -> None:
    """Exit status 1; each with what was changed, and where; in parallel, too. `--lf` runs them again, `-k` chooses."""
    result = hello.runpytest_subprocess("--mesh-mutants", "-n", "2", "test_weak.py")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            f"SURVIVED {_globbed(BODY)}: VirtualService default/rules: *.body.string is hi-mutant instead of hi (test_weak.yaml:20)"
        ]
    )
    survivors = {name for name, word in fates(hello, "test_weak.py").items() if word == "survived"}
    assert {name.removeprefix("VirtualService/rules:") for name in survivors} == {
        "http[0].match:removed",
        "http[0].directResponse.body:removed",
        "http[0].directResponse.body.string=hi-mutant",
        "http[0].match[0].uri=exact",
    }
    again = hello.runpytest_subprocess("--mesh-mutants", "--lf")
    again.assert_outcomes(failed=4)
    assert again.ret == 1
    chosen = hello.runpytest_subprocess("--mesh-mutants", "-x", "-k", "test_weak and directResponse.body")
    chosen.assert_outcomes(failed=1)


def test_what_is_not_promised_is_listed(hello: pytest.Pytester) -> None:
    """With its reason, and without failing."""
    mark = """
import pytest
pytestmark = pytest.mark.mesh_mutants(skip={"*.body*": "the text is for people", "*match*": "any path will do"})
"""
    Path(hello.path, "test_weak.py").write_text(mark + WEAK)
    result = hello.runpytest_subprocess("--mesh-mutants", "--strict-markers", "test_weak.py")
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"excused {_globbed(BODY)}: * (test_weak.yaml:20); the text is for people"])
    assert fates(hello, "test_weak.py")[BODY] == "excused"


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ('skip={"*.bodies": "gone"}', "*no mutant fits '*.bodies'; take it away*"),
        ('skip=["*"]', "*mark.mesh_mutants: give it points=NUMBER *"),
        ('skip={"*": ""}', "*mark.mesh_mutants: give it points=NUMBER *"),
        ("points=0", "*points must be above 0 and at most 100; this is 0*"),
    ],
)
def test_markers_that_make_no_sense(hello: pytest.Pytester, mark: str, message: str) -> None:
    """Collection says so."""
    Path(hello.path, "test_weak.py").write_text(f"import pytest\npytestmark = pytest.mark.mesh_mutants({mark})\n{WEAK}")
    result = hello.runpytest_subprocess("--mesh-mutants", "test_weak.py", "--collect-only")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([message])


def test_a_manifest_that_is_not_understood(hello: pytest.Pytester) -> None:
    """Collection says what is wrong with it."""
    Path(hello.path, "test_weak.yaml").write_text(HELLO.replace("hosts", "host"))
    result = hello.runpytest_subprocess("--mesh-mutants", "test_weak.py", "--collect-only")
    result.stdout.fnmatch_lines(["*test_weak.yaml:*there is no field 'host' here*"])


def test_red_tests_prove_nothing(hello: pytest.Pytester) -> None:
    """A module whose tests are not green without a mutant is an error; nothing counts as killed."""
    Path(hello.path, "test_weak.py").write_text(WEAK.replace("299", "200"))
    result = hello.runpytest_subprocess("--mesh-mutants", "test_weak.py")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["test_weak.py: tests are red without any mutant*", "FAILED test_weak.py::test_hello?original?*"]
    )
    found = written(hello, "test_weak.py")
    assert (found["unmutated"], found["killed"], found["survived"]) == ("red", 0, 0)
    assert found["broken"] == len(found["mutants"])


def test_verdicts_kill_and_controls_say_nothing(project: pytest.Pytester) -> None:
    """A split notices what is off by more than its margin; a control alone lets everything live."""
    Path(project.path, "canary.yaml").rename(project.path / "test_split.yaml")
    Path(project.path, "test_control.yaml").write_text(Path(project.path, "test_split.yaml").read_text())
    code = """
from meshtest import GET, split

def test_canary(mesh, ingress):
    mesh.apply("MODULE.yaml")
    ingress.DO(GET("/reviews/0"), split(v1=80, v2=20, within=10))
"""
    project.makepyfile(
        test_split=code.replace("MODULE", "test_split").replace("DO", "expect").replace("def", MARK + "def"),
        test_control=code.replace("MODULE", "test_control").replace("DO", "control"),
    )
    result = project.runpytest_subprocess("--mesh-mutants", "-k", "weight or original")
    assert result.ret == 1
    assert {each["cause"] for each in written(project, "test_split.py")["mutants"]} == {"VIOLATED"}
    assert fates(project, "test_split.py") == {
        "VirtualService/rules:http[0].route[1].weight=40": "killed",
        "VirtualService/rules:http[0].route[0].weight=100": "killed",
    }
    assert set(fates(project, "test_control.py").values()) == {"survived"}


MARK = """
import pytest
@pytest.mark.mesh_mutants(points=20)
"""


def _globbed(text: str) -> str:
    return text.replace("[", "?").replace("]", "?")
