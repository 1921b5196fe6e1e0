"""Have the proxies what istiod sent, do their versions go with its own, and how long do their certificates last?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from meshtest.meshes.kubernetes.check.asking import Asker
from meshtest.meshes.kubernetes.check.certificates import workload_certificates
from meshtest.meshes.kubernetes.check.finding import Finding
from meshtest.meshes.kubernetes.check.namespaces import issuing
from meshtest.meshes.kubernetes.check.pods import Pod
from meshtest.meshes.kubernetes.check.reading import each
from meshtest.meshes.kubernetes.check.rights import CONTROL_PLANE, TESTED
from meshtest.meshes.kubernetes.check.seen import Json, Seen, Unseen, judged_together
from meshtest.meshes.kubernetes.check.survey import Survey
from meshtest.meshes.kubernetes.check.sync import rejected, synced
from meshtest.meshes.kubernetes.check.versions import istio

Concerned = Mapping[tuple[str, str], Sequence[Pod]]


def proxies(survey: Survey, asker: Asker) -> Iterator[Finding]:
    """All gateways' and sidecars' proxies that are ready; of others it is said that they are not."""
    concerned = _concerned(survey)
    istiods = [pod for pod in survey.istiods if pod.ready]
    if concerned and (istiods or isinstance(survey.plane.pods, Unseen)):
        yield from _synced(survey, asker, istiods, concerned)
    for (where, name), pods in concerned.items():
        yield from _certificates(survey, asker.certificates(where, pods), name)


def _concerned(survey: Survey) -> Concerned:
    found = {(CONTROL_PLANE, place.name): survey.of_mesh(place)[1] for place in (survey.plane, survey.gateway_place)}
    found |= {(TESTED, name): place.living for name, place in survey.tested.items()}
    ready = {where: [pod for pod in pods if pod.proxied and pod.ready] for where, pods in found.items()}
    return {where: pods for where, pods in ready.items() if pods}


def _synced(survey: Survey, asker: Asker, istiods: Sequence[Pod], concerned: Concerned) -> Iterator[Finding]:
    wanted = [pod.proxy for pods in concerned.values() for pod in pods]
    unseen = survey.plane.pods if isinstance(survey.plane.pods, Unseen) else None
    listed = unseen or asker.proxies(istiods, wanted)
    if isinstance(listed, Unseen):
        yield listed.finding("proxies")
        for (where, _), pods in concerned.items():
            yield from rejected(asker.rejections(where, pods))
    else:
        for (_, name), pods in concerned.items():
            yield from synced(name, [pod.proxy for pod in pods], listed)
    yield from _versions(asker, istiods, concerned, listed)


def _versions(
    asker: Asker, istiods: Sequence[Pod], concerned: Concerned, listed: Seen[list[Json]]
) -> Iterator[Finding]:
    ours = {pod.proxy for pods in concerned.values() for pod in pods}
    found = [] if isinstance(listed, Unseen) else [one for one in listed if one["proxy"] in ours]
    said = {one["proxy"]: one.get("istio_version", "") for one in found}
    told = zip(istiods, each(asker.version, istiods), strict=True)
    pairs = [text if isinstance(text, Unseen) else (pod.name, text) for pod, text in told]
    yield from judged_together(pairs, "istio versions", lambda known: istio(dict(known), said))


def _certificates(survey: Survey, listed: Mapping[str, Seen[Json]], name: str) -> Iterator[Finding]:
    trusted = issuing(survey)
    pairs = [page if isinstance(page, Unseen) else (proxy, page) for proxy, page in listed.items()]
    yield from judged_together(
        pairs,
        f"{name} certificates",
        lambda found: workload_certificates(name, dict(found), trusted, survey.now),
    )
