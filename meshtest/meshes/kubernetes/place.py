"""Where in a cluster tests run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where in a cluster: the namespaces that may be touched (the first is for resources that name none), and how it is reached.

    `run` is the run's id. Another run there is awaited for `wait` seconds. `in_turns`: there are others of one run, that take turns
    test by test. `only_plan`: nothing is changed there, and no traffic is sent; what would be applied is told. `insist`: what is
    applied may take hosts at the gateway from others. `image` and `pull_policy` are of a pod from which the gateway is called, where
    that is needed.
    """

    namespaces: tuple[str, ...]
    run: str
    control_plane: str = "istio-system"
    gateway_url: str | None = None
    wait: float = 0.0
    in_turns: bool = False
    only_plan: bool = False
    insist: bool = False
    image: str | None = None
    pull_policy: str = ""
