"""meshtest's translation against what istiod sent, in the words of the golden comparison."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from meshtest.resources.manifest import check, is_istio, read_files
from meshtest.resources.problem import WrongResources
from meshtest.topology.default import default_topology
from meshtest.translate.proxy_config import translate
from meshtest.translate.snapshot import Proxy, Snapshot
from tests.istiod.comparison import PROXIES, differences, expected
from tests.istiod.places import CONFIGURATIONS, TOPOLOGY


@dataclass(frozen=True)
class Verdict:
    """EQUAL, REFUSED, DIFFERENT, WRONG (meshtest takes for wrong what an API server took), and why."""

    word: str
    notes: list[str] = field(default_factory=list)


@cache
def base() -> dict[str, Any]:
    """What the proxies have without any resource."""
    found: dict[str, Any] = json.loads(CONFIGURATIONS.read_text())
    return found


def translated(path: Path | None) -> dict[str, Any]:
    """What meshtest makes of a manifest, or of none, for each proxy, through JSON as the command prints it."""
    found = read_files([path]) if path else []
    more = [each for each in found if not is_istio(each)]
    topology = default_topology([TOPOLOGY], more, gateways=False)
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
    found = differences(want, have)
    return Verdict("DIFFERENT" if found else "EQUAL", found)


def judge_recorded(path: Path) -> Verdict:
    """The same, with the recording beside the manifest."""
    return judge(path, recorded(path))


def recorded(path: Path) -> dict[str, Any]:
    """All of each proxy's configuration in the recording beside a manifest."""
    return expected(base(), json.loads(path.with_suffix(".json").read_text()))


def agree(want: dict[str, Any], have: dict[str, Any]) -> Verdict:
    """Whether two answers of istiod are the same to the comparison."""
    found = differences(want, {PROXIES[key]: value for key, value in have.items()})
    return Verdict("DIFFERENT" if found else "EQUAL", found)
