"""The webhooks by which the API server asks istiod: whom they name, whether it proves who it is, and what happens while it is away."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from meshtest.meshes.kubernetes.check.finding import ERROR, OK, WARNING, Finding
from meshtest.meshes.kubernetes.check.seen import Json, Seen, Unseen
from meshtest.meshes.kubernetes.check.selector import matches


@dataclass(frozen=True)
class Client:
    """Whom webhooks ask: a Service and its port, and in whose certificates (`bundle`, base64 of PEM) the API server trusts."""

    namespace: str
    service: str
    port: int
    bundle: str

    @property
    def server_name(self) -> str:
        """The name that the API server wants proved."""
        return f"{self.service}.{self.namespace}.svc"

    @property
    def roots(self) -> str:
        """The bundle as PEM; what is no base64 is taken as it is, to be found wrong by those who use it."""
        try:
            return b64decode(self.bundle, validate=True).decode("ascii")
        except ValueError:
            return self.bundle


def client(webhook: Json) -> Client | None:
    """Whom a webhook asks; None for one at a URL."""
    service = webhook["clientConfig"].get("service")
    if service is None:
        return None
    bundle = webhook["clientConfig"].get("caBundle", "")
    return Client(service["namespace"], service["name"], int(service.get("port") or 443), bundle)


def elsewhere(configurations: Sequence[Json]) -> str:
    """The URL at which sidecars are injected by a control plane that runs outside of the cluster; empty if there is none."""
    urls = [webhook["clientConfig"].get("url", "") for each in configurations for webhook in _webhooks(each)]
    return next((url for url in urls if "/inject" in url), "")


def of_istiod(configurations: Sequence[Json], control_plane: str) -> list[Json]:
    """Those configurations that ask an istiod of this control plane."""
    return [each for each in configurations if any(_asks(webhook, control_plane) for webhook in _webhooks(each))]


def _asks(webhook: Json, control_plane: str) -> bool:
    asked = client(webhook)
    return asked is not None and asked.namespace == control_plane and asked.service.startswith("istiod")


def clients(configurations: Sequence[Json]) -> list[Client]:
    """Whom configurations ask, each once; those without a bundle cannot be asked."""
    found = [client(webhook) for each in configurations for webhook in _webhooks(each)]
    return list(dict.fromkeys(each for each in found if each and each.bundle))


def webhooks(
    configurations: Sequence[Json], errors: Mapping[Client, Seen[str]], namespaces: Sequence[Mapping[str, str]] | None
) -> Iterator[Finding]:
    """Judge configurations; `errors` says of those who were asked, as the API server does it, what went wrong (empty: nothing).

    `namespaces` are the labels of those under test: what goes wrong for others alone is a warning. None: any may be concerned.
    """
    if not configurations:
        remedy = "`istioctl install` (or the Helm chart istiod) makes it; managed control planes have their own"
        yield Finding(WARNING, "webhooks", "no webhook asks istiod", remedy)
    for configuration in configurations:
        kind, name = configuration["kind"].lower(), configuration["metadata"]["name"]
        found = list(_judge(f"{kind}/{name}", configuration, errors, namespaces))
        yield from found or [Finding(OK, f"{kind}/{name}", "istiod answers, and proves who it is")]


def _judge(
    subject: str,
    configuration: Json,
    errors: Mapping[Client, Seen[str]],
    namespaces: Sequence[Mapping[str, str]] | None,
) -> Iterator[Finding]:
    logs = "`kubectl -n istio-system logs deployment/istiod` says why; istiod fills the bundle in itself when it starts"
    asked: dict[Client, list[Json]] = {}
    for webhook in _webhooks(configuration):
        if found := client(webhook):
            asked.setdefault(found, []).append(webhook)
    for each, those in asked.items():
        wrong = "its caBundle is empty: no answer is trusted" if not each.bundle else errors.get(each, "")
        if isinstance(wrong, Unseen):
            yield wrong.finding(subject)
        elif wrong:
            concerned = any(_concerns(webhook, namespaces) for webhook in those)
            message = f"{those[0]['name']} asks {each.server_name}:{each.port}: {wrong}"
            message += "" if concerned else " (of the namespaces under test it takes none)"
            yield Finding(ERROR if concerned else WARNING, subject, message, logs)
    ignored = [webhook["name"] for webhook in _webhooks(configuration) if webhook.get("failurePolicy") == "Ignore"]
    if ignored:
        validating = configuration["kind"].startswith("Validating")
        lost = "wrong resources are taken" if validating else "pods start without a sidecar"
        remedy = "istiod sets it to Fail once it is ready; where it stays, `kubectl edit` the configuration"
        message = f"failurePolicy Ignore ({', '.join(ignored)}): {lost} while istiod is away"
        yield Finding(WARNING, subject, message, remedy)


def _concerns(webhook: Json, namespaces: Sequence[Mapping[str, str]] | None) -> bool:
    selector = webhook.get("namespaceSelector")
    return namespaces is None or any(matches(selector, labels) for labels in namespaces)


def _webhooks(configuration: Json) -> Sequence[Json]:
    return configuration.get("webhooks") or ()


def validated(namespace: str, refusal: str, asked: bool) -> Finding:
    """Whether rules can be applied in a namespace, by dry runs: why a right one is refused, and whether istiod refuses a wrong one."""
    subject = f"{namespace} validation"
    if refusal:
        remedy = "mend the webhook that is named, or have it leave out this namespace: no rule can be applied while this lasts"
        return Finding(ERROR, subject, f"a right VirtualService is refused (dry run): {refusal}", remedy)
    if not asked:
        message = (
            "a wrong VirtualService is taken (dry run): istiod is not asked about this namespace, or not waited for"
        )
        remedy = "`kubectl get validatingwebhookconfigurations -o yaml`: their selectors, and failurePolicy: Fail"
        return Finding(WARNING, subject, message, remedy)
    return Finding(OK, subject, "istiod takes a right VirtualService, and refuses a wrong one (dry runs)")
