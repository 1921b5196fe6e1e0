"""How a test is run again, and with what it was run."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

_ALONE = ("--mesh-insist", "--mesh-plan", "--mesh-mutants")  # options without a value
_NONE_OF_IT = ("--mesh-report", "--mesh-baseline")  # they say nothing of how a test runs


def command(config: pytest.Config, nodeid: str) -> str:
    """What runs a test again, from where the run was started: its options for the mesh are kept."""
    file, _, rest = nodeid.partition("::")
    here = os.path.relpath(config.rootpath / file, config.invocation_params.dir)
    return shlex.join(["pytest", f"{here}::{rest}" if rest else here, *_own(config.invocation_params.args)])


def _own(arguments: Iterable[str | os.PathLike[str]]) -> list[str]:
    """The options of meshtest among arguments, with their values."""
    found, takes, skips = list[str](), False, False
    for each in map(str, arguments):
        if each.startswith(_NONE_OF_IT):
            takes, skips = False, "=" not in each
        elif each.startswith(("--mesh", "--kube-")):
            found.append(each)
            takes, skips = "=" not in each and each not in _ALONE, False
        elif takes:
            found.append(each)
            takes = False
        elif skips:
            skips = False
    return found


def versions() -> dict[str, str]:
    """Those of what runs here."""
    from importlib.metadata import version

    python = ".".join(map(str, sys.version_info[:3]))
    return {"meshtest": version("meshtest"), "Python": python, "pytest": pytest.__version__}


def told(config: pytest.Config, nodeid: str, of_the_mesh: Mapping[str, str]) -> str:
    """Both as a text: the command, where it is given, and the versions, also those of the mesh."""
    lines = [f"{name} {value}" for name, value in {**of_the_mesh, **versions()}.items()]
    return "\n".join(
        [f"cd {shlex.quote(str(Path(config.invocation_params.dir)))}", command(config, nodeid), "", *lines, ""]
    )
