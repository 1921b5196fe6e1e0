"""Is the control plane there, with its gateway and its webhooks?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshtest.meshes.kubernetes.check.answers import Answer, answers
from meshtest.meshes.kubernetes.check.asking import Asker
from meshtest.meshes.kubernetes.check.certificates import roots, served
from meshtest.meshes.kubernetes.check.finding import ERROR, UNKNOWN, Finding
from meshtest.meshes.kubernetes.check.pods import Pod
from meshtest.meshes.kubernetes.check.reading import Place, Reader, each
from meshtest.meshes.kubernetes.check.rights import CONTROL_PLANE
from meshtest.meshes.kubernetes.check.seen import Json, Seen, Unseen, judged, judged_together
from meshtest.meshes.kubernetes.check.services import HEALTH, gateway, target_port
from meshtest.meshes.kubernetes.check.survey import Survey
from meshtest.meshes.kubernetes.check.webhooks import Client, clients, elsewhere, of_istiod, webhooks
from meshtest.meshes.kubernetes.check.workloads import workloads


def control_plane(survey: Survey, asker: Asker) -> Iterator[Finding]:
    """Istiod: its pods, what their ports answer, and the certificates that it shows and issues."""
    plane = survey.plane
    yield from _running(survey, plane)
    if not isinstance(plane.pods, Unseen) and not survey.istiods:
        yield _no_istiod(survey)
    ready = [pod for pod in survey.istiods if pod.ready]
    told = each(lambda pod: asker.istiod(pod, _server_name(pod), survey.root), ready)
    yield from judged_together(told, f"{plane.name} istiod ports", lambda found: _answered(survey, found))
    subject = f"{plane.name} configmap/istio-ca-root-cert"
    yield from judged(survey.roots[plane.name], subject, lambda pem: roots(plane.name, pem, (), survey.now))


def _no_istiod(survey: Survey) -> Finding:
    subject = f"{survey.plane.name} istiod"
    url = "" if isinstance(survey.configurations, Unseen) else elsewhere(survey.configurations)
    if url:
        remedy = "ask those who run it: its proxies are seen to be in sync only by probing"
        return Finding(UNKNOWN, subject, f"not seen: sidecars are injected from outside of the cluster ({url})", remedy)
    remedy = "name its namespace (`meshtest check --istio-namespace`), or install Istio"
    return Finding(ERROR, subject, "there is no pod with the label app=istiod", remedy)


def _answered(survey: Survey, told: Sequence[Sequence[Answer]]) -> Iterator[Finding]:
    found = [answer for some in told for answer in some]
    yield from answers(found)
    for answer in found:
        if answer.certificate:
            subject = f"{answer.namespace} pod/{answer.pod} certificate"
            yield served(subject, answer.certificate, survey.now)


def _server_name(istiod: Pod) -> str:
    """By which name sidecars ask an istiod: that of its revision."""
    revision = istiod.labels.get("istio.io/rev", "default")
    service = "istiod" if revision == "default" else f"istiod-{revision}"
    return f"{service}.{istiod.namespace}.svc"


def ingress_gateway(survey: Survey, asker: Asker) -> Iterator[Finding]:
    """The gateway: its Service, its pods, and what they say of their health."""
    place, entrance, service = survey.gateway_place, survey.entrance, survey.gateway_service
    if place is not survey.plane:
        yield from _running(survey, place)
    subject = f"{entrance.namespace} service/{entrance.service}"
    if isinstance(service, Unseen):
        yield service.finding(subject)
    elif not isinstance(place.pods, Unseen):
        yield from gateway(entrance.namespace, entrance.service, service, place.living)
        ready = [pod for pod in survey.gateways if pod.ready]
        told = each(lambda pod: asker.health(pod, _health(service, pod)), ready)
        yield from judged_together(told, f"{subject} health", answers)


def _health(service: Json | None, gateway: Pod) -> int:
    """The port at which a gateway tells its health; Services need not have it."""
    return (service and target_port(service, HEALTH, gateway)) or HEALTH


def _running(survey: Survey, place: Place) -> Iterator[Finding]:
    """Istiod's and the gateways' Deployments and pods; of other things that run there nothing is said."""
    controllers = judged(place.controllers, f"{place.name} workloads", lambda _: ())
    yield from controllers
    if isinstance(place.pods, Unseen):
        yield place.pods.finding(f"{place.name} pods")
        return
    yield from workloads(place.name, *survey.of_mesh(place), place.events, survey.now)


def asked_webhooks(survey: Survey, reader: Reader, asker: Asker) -> Iterator[Finding]:
    """The webhooks that name istiod."""

    def judge(configurations: Sequence[Json]) -> Iterator[Finding]:
        ours = of_istiod(configurations, survey.plane.name)
        asked = [client for client in clients(ours) if client.namespace == survey.plane.name]
        errors = each(lambda client: _error(survey, reader, asker, client), asked)
        yield from webhooks(ours, dict(zip(asked, errors, strict=True)), survey.labels)

    yield from judged(survey.configurations, "cluster webhooks", judge)


def _error(survey: Survey, reader: Reader, asker: Asker, client: Client) -> Seen[str]:
    service = reader.service(client.namespace, client.service, CONTROL_PLANE)
    return service if isinstance(service, Unseen) else asker.webhook(client, service, survey.plane.living)
