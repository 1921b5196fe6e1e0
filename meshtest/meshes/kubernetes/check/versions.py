"""Versions of Kubernetes, the control plane and the proxies, and whether they go together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from meshtest.meshes.kubernetes.check.finding import ERROR, OK, UNKNOWN, WARNING, Finding
from meshtest.meshes.kubernetes.check.seen import Json

APPLY = (1, 22)
"""The first Kubernetes with server-side apply for good: https://kubernetes.io/docs/reference/using-api/server-side-apply/"""
SKEW = "https://istio.io/latest/docs/releases/supported-releases/#control-planedata-plane-skew"

Version = tuple[int, int]


def version(text: str) -> Version | None:
    """Major and minor of a version as its owner writes it (`1.24.1-abc-Clean`, `v1.30.2+k3s1`); None for a build without one."""
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def kubernetes(document: Json) -> Iterator[Finding]:
    """Judge the API server's `/version`. Its `major` and `minor` may carry a `+`."""
    found = version(f"{document.get('major', '')}.{document.get('minor', '')}")
    if found is None:
        yield Finding(UNKNOWN, "kubernetes version", f"is not told: {document.get('gitVersion', 'nothing')}")
    elif found < APPLY:
        message = (
            f"{_text(found)} is too old: meshtest applies on the server's side, which is there from {_text(APPLY)} on"
        )
        yield Finding(ERROR, "kubernetes version", message, "upgrade the cluster")
    else:
        yield Finding(OK, "kubernetes version", _text(found))


def istio(control_planes: Mapping[str, str], proxies: Mapping[str, str]) -> Iterator[Finding]:
    """Judge versions of istiods (by pod) and of proxies (by `pod.namespace`).

    The control plane may be one minor version ahead of the proxies, and proxies must not be ahead of it (Istio's policy of version skew).
    """
    found = {pod: version(text) for pod, text in control_planes.items()}
    known = sorted({each for each in found.values() if each is not None})
    unknown = [control_planes[pod] for pod, each in found.items() if each is None]
    if unknown:
        message = f"istiod is a build without a version ({unknown[0] or 'nothing said'}): whether versions agree cannot be told"
        yield Finding(UNKNOWN, "istio versions", message, "compare what was built: `istioctl version`")
    elif len(known) > 1:
        message = f"istiods of several versions run: {', '.join(map(_text, known))}"
        yield Finding(
            WARNING, "istio versions", message, "finish the upgrade, or name the revision that the tests are about"
        )
    if known and not unknown:
        yield from _proxies(known, proxies)


def _proxies(planes: list[Version], proxies: Mapping[str, str]) -> Iterator[Finding]:
    counts = Counter(version(text) for text in proxies.values())
    fine = 0
    for each, count in sorted(counts.items(), key=str):
        wrong = "are builds without a version" if each is None else _skew(each, planes)
        fine += 0 if wrong else count
        if wrong:
            names = [name for name, text in proxies.items() if version(text) == each]
            message = f"{count} proxies {wrong}: {', '.join(names[:3])}{', ...' if count > 3 else ''}"
            remedy = f"restart their workloads, so that istiod injects its own version ({SKEW})"
            yield Finding(WARNING if each else UNKNOWN, "istio versions", message, remedy)
    if fine == len(proxies):
        yield Finding(OK, "istio versions", f"istiod {', '.join(map(_text, planes))}; {fine} proxies go with it")


def _skew(proxy: Version, planes: list[Version]) -> str:
    """What is wrong with a proxy's version, for the control plane that suits it best; nothing if it is supported."""
    if any(plane[0] == proxy[0] and 0 <= plane[1] - proxy[1] <= 1 for plane in planes):
        return ""
    order = "ahead of" if proxy > planes[-1] else "more than one minor version behind"
    return f"of version {_text(proxy)} are {order} istiod ({', '.join(map(_text, planes))})"


def _text(found: Version) -> str:
    return f"{found[0]}.{found[1]}"
