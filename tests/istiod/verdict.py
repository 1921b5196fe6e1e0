"""meshtest's translation against what istiod sent, in the words of the golden comparison."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from meshtest.resources.manifest import check, is_istio, read_files
from meshtest.resources.problem import WrongResources
from meshtest.topology.default import default_topology
from meshtest.translate.proxy_config import translate
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.istiod.places import GOLDEN


@dataclass(frozen=True)
class Verdict:
    """EQUAL, REFUSED, DIFFERENT, WRONG (meshtest takes for wrong what an API server took), and why."""

    word: str
    notes: list[str] = field(default_factory=list)


@cache
def comparison() -> ModuleType:
    """The comparison that stands beside the golden recordings."""
    spec = importlib.util.spec_from_file_location("compare", GOLDEN / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def base() -> dict[str, Any]:
    """What the proxies have without any resource."""
    found: dict[str, Any] = json.loads((GOLDEN / "base.json").read_text())
    return found


def translated(path: Path) -> dict[str, Any]:
    """What meshtest makes of a manifest, for each proxy, through JSON as the command prints it."""
    found = read_files([path])
    more = [each for each in found if not is_istio(each)]
    topology = default_topology([GOLDEN / "topology.yaml"], more, gateways=False)
    snapshot = Snapshot(topology, check([each for each in found if is_istio(each)]))
    proxies = {name: Proxy(instances[0]) for name, instances in topology.names.items()}
    before = Snapshot(topology, ())
    made = {name: translate(snapshot, each).as_json(translate(before, each)) for name, each in proxies.items()}
    out: dict[str, Any] = json.loads(json.dumps(made))
    return out


def judge(path: Path, want: dict[str, Any]) -> Verdict:
    """Whether meshtest makes of a manifest what istiod made (`want`: all of each proxy's configuration)."""
    try:
        have = translated(path)
    except WrongResources as error:
        if error.unsupported:
            return Verdict("REFUSED", [str(problem.refusal) for problem in error.problems])
        return Verdict("WRONG", str(error).splitlines())
    found = comparison().differences(want, have)
    return Verdict("DIFFERENT" if found else "EQUAL", found)


def judge_recorded(path: Path) -> Verdict:
    """The same, with the recording beside the manifest."""
    recorded = json.loads(path.with_suffix(".json").read_text())
    return judge(path, comparison().expected(base(), recorded))


def agree(want: dict[str, Any], have: dict[str, Any]) -> Verdict:
    """Whether two answers of istiod are the same to the comparison."""
    names: dict[str, str] = comparison().PROXIES
    found = comparison().differences(want, {names[key]: value for key, value in have.items()})
    return Verdict("DIFFERENT" if found else "EQUAL", found)
