"""Ports: what each answered to a question of its own, for an open port says little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meshtest.meshes.kubernetes.check.certificates import Certificate
from meshtest.meshes.kubernetes.check.finding import ERROR, OK, WARNING, Finding


@dataclass(frozen=True)
class Answer:
    """What a port of a pod answered: `said` in words, or the `error`; the certificate that it showed, if it speaks TLS.

    The mesh goes on without what is not `essential`.
    """

    namespace: str
    pod: str
    port: int
    question: str
    said: str = ""
    error: str = ""
    certificate: Certificate | None = None
    essential: bool = True


def answers(given: Sequence[Answer]) -> Iterator[Finding]:
    """Judge them: one finding a pod for all ports that answered as they must, and one for each that did not."""
    for namespace, pod in dict.fromkeys((each.namespace, each.pod) for each in given):
        own = [each for each in given if (each.namespace, each.pod) == (namespace, pod)]
        fine = [each for each in own if not each.error]
        if fine:
            said = ", ".join(f"{each.port} {each.said}" for each in fine)
            yield Finding(OK, f"{namespace} pod/{pod} ports", f"answer: {said}")
        for each in own:
            if each.error:
                message = f"does not answer {each.question}: {each.error}"
                remedy = f"kubectl -n {namespace} logs {pod}; kubectl -n {namespace} describe pod {pod}"
                severity = ERROR if each.essential else WARNING
                yield Finding(severity, f"{namespace} pod/{pod} port {each.port}", message, remedy)
