"""Where the servers' programs, the recordings' world and a session's files are."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]
GOLDEN = PROJECT.parent / "shared" / "golden"
CASES = Path(__file__).parent / "cases"
TOPOLOGY = Path(__file__).parent / "base" / "topology.yaml"
CONFIGURATIONS = Path(__file__).parent / "base" / "configurations.json"

TESTBED = Path(os.environ.get("MESHTEST_TESTBED", Path.home() / ".cache" / "meshtest-testbed"))
PROGRAMS = TESTBED / "bin"
ENVOY = TESTBED / "envoy" / "envoy" / "_bin" / "envoy"
MANIFESTS = TESTBED / "manifests"

NEEDED = (
    *(PROGRAMS / name for name in ("server", "kube-apiserver", "pilot-discovery")),
    ENVOY,
    MANIFESTS / "istio.yaml",
)


def missing() -> list[Path]:
    """What must be there before the servers can start, and is not."""
    return [path for path in NEEDED if not path.exists()]


def session_folder() -> Path:
    """The folder of the servers that `up` keeps."""
    return Path(tempfile.gettempdir()) / f"meshtest-istiod-{os.getuid()}"
