"""Is a namespace under test ready: its workloads, their sidecars, and what the API server does with what is applied there?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from meshtest.meshes.kubernetes.api import Api
from meshtest.meshes.kubernetes.check.certificates import Certificate, read_roots, roots
from meshtest.meshes.kubernetes.check.dry_run import new_pod, virtual_services
from meshtest.meshes.kubernetes.check.finding import ERROR, Finding
from meshtest.meshes.kubernetes.check.injection import asks, injected, injection, injectors
from meshtest.meshes.kubernetes.check.rights import TESTED, needed, unseen
from meshtest.meshes.kubernetes.check.seen import Json, Unseen, judged
from meshtest.meshes.kubernetes.check.survey import Survey
from meshtest.meshes.kubernetes.check.webhooks import validated
from meshtest.meshes.kubernetes.check.workloads import workloads


def tested(survey: Survey, api: Api, name: str) -> Iterator[Finding]:
    """All of one namespace."""
    if survey.namespaces[name] is None:
        remedy = f"kubectl create namespace {name}, or name another (--mesh-namespace)"
        yield Finding(ERROR, f"{name} namespace/{name}", "is not there", remedy)
        return
    yield from _running(survey, name)
    subject = f"{name} namespace/{name}"
    yield from judged(survey.namespaces[name], subject, lambda found: _sidecars(survey, api, found))
    made = ("networking.istio.io", "virtualservices")
    yield from _allowed(survey, name, made, "validation", lambda: validated(name, *virtual_services(api, name)))
    subject = f"{name} configmap/istio-ca-root-cert"
    yield from judged(survey.roots[name], subject, lambda pem: roots(name, pem, issuing(survey), survey.now))


def _running(survey: Survey, name: str) -> Iterator[Finding]:
    place = survey.tested[name]
    yield from judged(place.controllers, f"{name} workloads", lambda _: ())
    controllers = [] if isinstance(place.controllers, Unseen) else place.controllers
    yield from judged(
        place.pods, f"{name} pods", lambda pods: workloads(name, controllers, pods, place.events, survey.now)
    )


def _sidecars(survey: Survey, api: Api, namespace: Json | None) -> Iterator[Finding]:
    if namespace is None:
        return
    name = namespace["metadata"]["name"]
    configurations = survey.configurations
    seen = configurations if isinstance(configurations, Unseen) else injectors(configurations)
    yield from injection(namespace, survey.tested[name].living, seen)
    if asks(namespace, seen):
        yield from _allowed(survey, name, ("", "pods"), "injection", lambda: injected(name, new_pod(api, name)))


def _allowed(
    survey: Survey, namespace: str, made: tuple[str, str], subject: str, ask: Callable[[], Finding]
) -> Iterator[Finding]:
    """What a dry run of making something (its group and name) finds, if the user may make it."""
    right, resource = needed(TESTED, *made, "create"), made[1]
    if ("create", resource) in survey.refused[TESTED, namespace][right]:
        yield unseen(f"you may not create {resource}", right, namespace).finding(f"{namespace} {subject}")
    else:
        yield ask()


def issuing(survey: Survey) -> list[Certificate]:
    """The control plane's own roots; none if they cannot be read, or are no certificates."""
    pem = survey.roots[survey.plane.name]
    try:
        return [] if isinstance(pem, Unseen) or pem is None else read_roots(pem)
    except ValueError:
        return []
