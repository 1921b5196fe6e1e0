"""The plugin as a user sees it: fixtures, options, what the terminal and JUnit say, exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

GREEN = """
from meshtest import GET, split

def test_canary(mesh, ingress):
    mesh.apply("canary.yaml")
    ingress.expect(GET("/reviews/0"), split(v1=80, v2=20, within=10))
"""

FAULT = "fault: {abort: {percentage: {value: 50}, httpStatus: 503}}"


def test_a_split_that_holds(project: pytest.Pytester) -> None:
    """A right mesh passes; the table and JUnit carry the figures."""
    project.makepyfile(GREEN)
    result = project.runpytest_subprocess("--junit-xml=junit.xml")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*mesh verdicts*", "verdict *configured *observed *", "HOLDS *v1 80 %, v2 20 % *::test_canary"]
    )
    case = ElementTree.parse(project.path / "junit.xml").getroot().find(".//testcase")
    assert case is not None
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert properties["meshtest.verdict"] == "HOLDS"
    assert properties["meshtest.configured"] == "v1 80 %, v2 20 %"
    assert properties["meshtest.error_rates"] == "1e-06 / 0.001"
    assert "canary.yaml:18" in str(properties["meshtest.rule"])
    finding = json.loads(str(properties["meshtest.finding"]))
    assert finding["requests"] == int(str(properties["meshtest.requests"]))
    assert {arm["arm"] for arm in finding["evidence"]["arms"]} == {"v1", "v2"}


def test_a_split_that_does_not_hold(project: pytest.Pytester) -> None:
    """A wrong mesh fails with what was configured and seen, the rule with its line, and the test's line; no frames."""
    project.makepyfile(GREEN.replace("v1=80, v2=20, within=10", "v1=50, v2=50, within=10"))
    result = project.runpytest_subprocess()
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "VIOLATED: GET /reviews/0 through the ingress gateway must be split v1 50 %, v2 50 % (within 10 points)",
            "  version *configured *observed *off by *answers *interval",
            "  v1 *50 % * points *",
            "  why: *instead of 50 %*",
            "  rule: *VirtualService default/rules spec.http?0? at canary.yaml:18*(to reviews v1 80 %, reviews v2 20 %)",
            "  look at: *",
            "test_a_split_that_does_not_hold.py:5: ingress.expect(*",
            "VIOLATED *v1 50 %, v2 50 % *",
            "FAILED *::test_canary - VIOLATED: GET*",
        ]
    )
    result.stdout.no_fnmatch_line("*meshtest/source.py*")


def test_causes_in_a_failure(project: pytest.Pytester) -> None:
    """A verdict with causes says how often what was the reason, and shows a log line of each kind; the finding has them too."""
    manifest = project.path / "canary.yaml"
    assert "[{route: [" in manifest.read_text()
    manifest.write_text(manifest.read_text().replace("[{route: [", f"[{{{FAULT}, route: ["))
    project.makepyfile(GREEN.replace("within=10)", "within=10), causes=True"))
    result = project.runpytest_subprocess("--junit-xml=junit.xml")
    result.stdout.fnmatch_lines(
        [
            "VIOLATED: GET /reviews/0 through the ingress gateway must be *",
            "  causes: *503 FI fault_filter_abort*",
            '    *"GET /reviews/0 HTTP/1.1" 503 FI fault_filter_abort *',
        ]
    )
    case = ElementTree.parse(project.path / "junit.xml").getroot().find(".//testcase")
    assert case is not None
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    causes = json.loads(str(properties["meshtest.finding"]))["evidence"]["causes"]
    assert causes["flags"].keys() == {"FI", "-"}
    assert causes["flags"]["FI"] == causes["summaries"]["503 FI fault_filter_abort"]
    assert len(causes["lines"]) == 1


def test_whose_fault_it_is(project: pytest.Pytester) -> None:
    """Exit status 10 when all that is red is undecided, 11 when it is broken surroundings, 1 when they mix."""
    project.makepyfile(
        test_undecided=GREEN.replace("within=10", "within=5, max_requests=100"),
        test_broken=GREEN.replace(
            '"canary.yaml"',
            '{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", '
            '"metadata": {"name": "x"}, "spec": {"hosts": ["x.example"], "http": [{"route": '
            '[{"destination": {"host": "reviews"}}]}]}}',
        ),
    )
    result = project.runpytest_subprocess("test_undecided.py", "test_broken.py")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["UNDECIDED: *", "  why: *max_requests=*", "*nothing listens at the ingress gateway: no Gateway is applied*"]
    )
    assert project.runpytest_subprocess("test_undecided.py").ret == 10
    assert project.runpytest_subprocess("test_broken.py").ret == 11


def test_wrong_resources(project: pytest.Pytester) -> None:
    """What a test applies wrongly is an error with file, line and remedy; all in one go."""
    Path(project.path, "wrong.yaml").write_text(
        Path(project.path, "canary.yaml").read_text().replace("weight: 20", "wieght: 20")
    )
    Path(project.path, "broken.yaml").write_text("a: [1,\n")
    Path(project.path, "subset.yaml").write_text(
        Path(project.path, "canary.yaml").read_text().replace("subset: v2", "subset: v9")
    )
    Path(project.path, "workload.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: x}\n")
    project.makepyfile(
        """
        import pytest
        from meshtest import GET, split

        @pytest.mark.parametrize("file", ["wrong.yaml", "broken.yaml", "missing.yaml", "workload.yaml"])
        def test_apply(mesh, file):
            mesh.apply(file)

        def test_subset(mesh, ingress):
            mesh.apply("subset.yaml")
            ingress.expect(GET("/reviews/0"), split(v1=80, v2=20))

        def test_workload(mesh):
            mesh.workload("product-page")
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=6)
    result.stdout.fnmatch_lines(
        [
            "wrong.yaml:20: VirtualService default/rules spec.http?0?.route?1?.wieght: *did you mean 'weight'?",
            "broken.yaml:*: this is not YAML: *",
            "missing.yaml: cannot be read: No such file or directory*",
            "workload.yaml:1: Service default/x *--mesh-workloads*",
            "subset.yaml:18: VirtualService default/rules spec.http?0?: no subset 'v9' of reviews*",
            "*there is no workload 'product-page'; did you mean 'productpage-v1'?*",
        ]
    )


def test_taken_back_whatever_happens(project: pytest.Pytester) -> None:
    """What a test applies is gone after it, also when the test fails; several applications add up within a test."""
    project.makepyfile(
        """
        import httpx
        import pytest
        from meshtest import GET, MeshError

        def test_first(mesh, ingress):
            mesh.apply("canary.yaml")
            assert ingress.get("/reviews/0").status_code == 299

        def test_second(mesh, ingress):
            with pytest.raises(MeshError, match="no Gateway is applied"):
                ingress.get("/reviews/0")
            mesh.apply("canary.yaml")
            direct = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "rules"},
                      "spec": {"hosts": ["*"], "gateways": ["edge"], "http": [{"directResponse": {"status": 299}}]}}
            mesh.apply(direct)
            assert ingress.get("/reviews/0").status_code == 299
            assert len(ingress.measure(GET("/reviews/0"), 20).statuses()) == 1
            with ingress.client() as client:
                assert client.get("/anything").status_code == 299
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1, failed=1)


def test_a_mesh_that_ended(project: pytest.Pytester) -> None:
    """The test of that moment is told; the next one has a new mesh."""
    project.makepyfile(
        """
        import pytest
        from meshtest import MeshError

        def test_first(mesh):
            envoy = next(iter(mesh._backend._envoys.values()))
            envoy.process.kill()
            envoy.process.wait()
            with pytest.raises(MeshError, match="ended with status -9"):
                mesh.apply("canary.yaml")

        def test_second(mesh, ingress):
            mesh.apply("canary.yaml")
            assert ingress.get("/reviews/0").status_code == 200
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=2)


def test_meshes_do_not_pile_up(project: pytest.Pytester) -> None:
    """Of several meshes those that were used last are kept; another one that is wanted again starts again."""
    project.makefile(".yaml", shop=SHOP, stall=SHOP.replace("shop", "stall"))
    project.makepyfile(
        """
        import pytest
        from meshtest.session import session_of

        RATINGS = "http://ratings:9080/ratings/0"

        def test_one(mesh):
            assert mesh.workload("productpage-v1").get(RATINGS).status_code == 200

        @pytest.mark.mesh_workloads("shop.yaml")
        def test_another(mesh):
            assert mesh.workload("shop").get("http://shop/").status_code == 200

        @pytest.mark.mesh_workloads("stall.yaml")
        def test_third(request, mesh):
            assert mesh.workload("stall").get("http://stall/").status_code == 200
            kept = session_of(request.config)._meshes.kept
            assert ["shop" in each.topology.names for each in kept] == [True, False]

        def test_again(mesh):
            assert mesh.workload("productpage-v1").get(RATINGS).status_code == 200
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=4)


def test_too_few_watches(project: pytest.Pytester) -> None:
    """Meshes that leave too few inotify instances to another one are ended for it."""
    project.makefile(".yaml", shop=SHOP)
    project.makepyfile(
        """
        import pytest
        from meshtest.meshes.local import watches
        from meshtest.session import session_of

        def test_one(mesh):
            assert mesh.kind == "local"

        @pytest.fixture
        def short(monkeypatch, request):
            session = session_of(request.config)
            monkeypatch.setattr(watches, "free", lambda wanted: wanted if not session._meshes.kept else 0)

        @pytest.mark.mesh_workloads("shop.yaml")
        def test_another(short, mesh):
            assert mesh.workload("shop").get("http://shop/").status_code == 200
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=2)


SHOP = """
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: example/shop}]}
"""


def test_own_workloads(project: pytest.Pytester) -> None:
    """The marker and the option say what runs in the mesh; the marker wins."""
    shop = """
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec:
  selector: {app: NAME}
  ports: [{name: http, port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: main, image: x}]}
"""
    Path(project.path, "cart.yaml").write_text(shop.replace("NAME", "cart"))
    Path(project.path, "stock.yaml").write_text(shop.replace("NAME", "stock"))
    project.makepyfile(
        """
        import pytest

        def test_option(mesh):
            assert mesh.workload("stock").get("http://stock/x").json()["workload"] == "stock"

        @pytest.mark.mesh_workloads("cart.yaml")
        def test_marker(mesh):
            assert mesh.workload("cart").get("http://cart/x").json()["workload"] == "cart"
        """
    )
    project.runpytest_subprocess("--mesh-workloads=stock.yaml", "--strict-markers").assert_outcomes(passed=2)


def test_in_parallel(project: pytest.Pytester) -> None:
    """Under pytest-xdist each worker has a mesh of its own, and all verdicts are in one table."""
    project.makepyfile(test_one=GREEN, test_two=GREEN.replace("v1=80, v2=20", "v1=50, v2=50"))
    result = project.runpytest_subprocess("-n", "2")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["HOLDS *test_one.py::test_canary", "VIOLATED *test_two.py::test_canary"])


def test_controls(project: pytest.Pytester) -> None:
    """A control makes the mesh wrong by the margin and back again; one that comes out otherwise is found out."""
    project.makepyfile(
        """
        import pytest
        from meshtest import GET, PolicyViolation, split

        def test_control(mesh, ingress):
            mesh.apply("canary.yaml")
            found = ingress.control(GET("/reviews/0"), split(v1=80, v2=20, within=15))
            assert [each.verdict for each in found] == ["VIOLATED", "VIOLATED"]
            ingress.expect(GET("/reviews/0"), split(v1=80, v2=20, within=15))

        def test_wrong_subset(mesh, ingress):
            mesh.apply("canary.yaml")
            labels = {"v1": "v3", "v2": "v2", "v3": "v3"}
            subsets = [{"name": name, "labels": {"version": version}} for name, version in labels.items()]
            mesh.apply({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
                        "metadata": {"name": "reviews"}, "spec": {"host": "reviews", "subsets": subsets}})
            with pytest.raises(PolicyViolation, match="came out otherwise: answers from v3"):
                ingress.control(GET("/reviews/0"), split(v1=0, v2=100, v3=0))

        def test_without_a_rule(mesh, ingress):
            mesh.apply("canary.yaml")
            with pytest.raises(ValueError, match="no VirtualService decides"):
                mesh.workload("productpage-v1").control(GET("http://reviews:9080/"), split(v1=80, v2=20))
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["HOLDS *::test_control", "noticed *v1 80 %, v2 20 % *2 of 2 wrong meshes *::test_control"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mesh", "moon"], "*argument --mesh: invalid choice: 'moon'*"),
        (["--mesh-connections", "0"], "*argument --mesh-connections*"),
        (["-o", "mesh=moon"], "*mesh = moon: there is no such mesh*"),
        (["-o", "mesh_connections=many"], "*mesh_connections = many: must be a number*"),
    ],
)
def test_wrong_options(pytester: pytest.Pytester, arguments: list[str], message: str) -> None:
    """A wrong option is a usage error before anything starts."""
    result = pytester.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_nothing_heavy_at_import() -> None:
    """What each pytest run loads for the plugin is light."""
    heavy = [
        "scipy",
        "numpy",
        "yaml",
        "httpx",
        "httptools",
        "kubernetes",
        "asyncio",
        "meshtest.meshes",
        "meshtest.translate",
        "meshtest.report.html",
        "jinja2",
    ]
    code = f"import sys, meshtest.plugin, meshtest.report.recording; print([name for name in {heavy} if name in sys.modules])"
    before = f"import sys, pytest; print([name for name in {heavy} if name in sys.modules])"
    loaded = [
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
        for text in (before, code)
    ]
    assert loaded[1] == loaded[0]


def test_a_run_without_meshes_is_left_alone(pytester: pytest.Pytester) -> None:
    """Tests that use no fixture of ours look as without the plugin, and load nothing of it."""
    pytester.makepyfile(
        """
        import sys

        def test_light():
            assert not {"scipy", "numpy", "meshtest.session", "meshtest.source"} & set(sys.modules)

        def test_red():
            assert 1 == 2
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:allure_pytest", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*mesh verdicts*")
    result.stdout.fnmatch_lines([">       assert 1 == 2"])


def test_what_is_done_to_workloads_is_taken_back(project: pytest.Pytester) -> None:
    """Also after a test that fails: the next one finds all workloads as they were."""
    project.makepyfile(
        """
        def test_it_breaks(mesh, ingress):
            mesh.apply("canary.yaml")
            first = mesh.workload("reviews-v1")
            first.fails(500)
            first.instance(0).unready()
            mesh.workload("reviews-v2").crashes()
            assert ingress.get("/reviews/0").status_code == 200

        def test_all_is_well(mesh, ingress):
            mesh.apply("canary.yaml")
            assert {ingress.get("/reviews/0").status_code for _ in range(20)} == {200}
            with mesh.workload("reviews-v1").fails(500), mesh.workload("reviews-v2").fails(500):
                assert ingress.get("/reviews/0").status_code == 500
            assert ingress.get("/reviews/0").status_code == 200

        def test_what_cannot_be(mesh):
            mesh.workload("reviews-v1").instance(1).fails(503)
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*ValueError: reviews-v1 has no instance 1: it has 1, counted from 0"])


def test_what_is_kept_of_a_failure(project: pytest.Pytester) -> None:
    """All that is needed to see it again: the resources, the verdict, the requests, the proxies, versions and the command; no secrets."""
    canary = Path("canary.yaml").read_text()
    Path("canary.yaml").write_text(
        canary.replace("[{route: [", "[{headers: {request: {set: {authorization: planted}}}, route: [")
    )
    wrong = "v1=50, v2=50, within=10"
    project.makepyfile(
        GREEN.replace("v1=80, v2=20, within=10", wrong).replace("/reviews/0", "/reviews/0?token=planted")
    )
    project.runpytest_subprocess("--mesh=local", "--mesh-report=out")
    (folder,) = Path("reports", "failures").iterdir()
    kept = {each.name: each.read_text() for each in folder.iterdir()}
    assert "name: edge" in kept["resources.yaml"]
    assert "# canary.yaml:" in kept["resources.yaml"]
    assert kept["verdict-1.txt"].startswith("VIOLATED: GET /reviews/0?token=[redacted]")
    rows = kept["requests-1.csv"].splitlines()
    assert rows[0].startswith("started,latency,status,version")
    assert len(rows) > 20
    assert "pytest test_what_is_kept_of_a_failure.py::test_canary --mesh=local\n" in kept["again.txt"]
    assert "\nEnvoy 1." in kept["again.txt"]
    assert [name for name in kept if name.startswith("istio-ingressgateway")]
    assert (
        "authorization"
        in kept[next(name for name in kept if name.startswith("istio-ingress") and name.endswith("json"))]
    )
    assert not [name for name, text in kept.items() if "planted" in text]
