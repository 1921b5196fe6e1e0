"""All checks of a cluster, in the order in which one would look."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from meshtest.errors import MeshError
from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.check.asking import Asker
from meshtest.meshes.kubernetes.check.control_plane import asked_webhooks, control_plane, ingress_gateway
from meshtest.meshes.kubernetes.check.finding import ERROR, Finding
from meshtest.meshes.kubernetes.check.namespaces import tested
from meshtest.meshes.kubernetes.check.proxies import proxies
from meshtest.meshes.kubernetes.check.reading import Reader
from meshtest.meshes.kubernetes.check.rights import rights
from meshtest.meshes.kubernetes.check.survey import ISTIO_SYSTEM, Entrance, Survey, read
from meshtest.meshes.kubernetes.check.versions import kubernetes

_PATIENCE = 5.0  # seconds, of questions whose failure is an answer, too


def preflight(
    api: Api, namespaces: Collection[str], *, istio: str = ISTIO_SYSTEM, entrance: Entrance | None = None
) -> list[Finding]:
    """Check a cluster before tests run in `namespaces`; MeshError with what to do if something is wrong.

    `istio` is the namespace of the control plane; the ingress gateway is found, if no `entrance` is given.
    What is only a warning, or cannot be seen, is returned with all else.
    """
    found = check(api, namespaces, istio=istio, entrance=entrance)
    wrong = [each for each in found if each.severity == ERROR]
    if wrong:
        lines = [f"{each.subject}: {each.message}\n    {each.remedy}".rstrip() for each in wrong]
        raise MeshError("the cluster is not ready for tests (`meshtest check` shows all):\n  " + "\n  ".join(lines))
    return found


def check(
    api: Api, namespaces: Collection[str], *, istio: str = ISTIO_SYSTEM, entrance: Entrance | None = None
) -> list[Finding]:
    """All that was found, good and bad; MeshError only if the API server does not answer."""
    reader, asked = Reader(api), api.with_patience(_PATIENCE)
    survey = read(reader, tuple(dict.fromkeys(namespaces)), istio, entrance)
    found = _findings(asked, reader, Asker(asked), survey)
    return list(dict.fromkeys(found))  # a gateway may stand in a namespace under test


def _findings(api: Api, reader: Reader, asker: Asker, survey: Survey) -> Iterator[Finding]:
    yield from kubernetes(survey.version)
    yield from control_plane(survey, asker)
    yield from ingress_gateway(survey, asker)
    yield from asked_webhooks(survey, reader, asker)
    for name in survey.namespaces:
        yield from tested(survey, api, name)
    yield from proxies(survey, asker)
    for (_, name), refused in survey.refused.items():
        yield from rights(name, refused)
