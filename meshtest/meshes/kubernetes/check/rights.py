"""What meshtest needs to be allowed, each with its reason: asked for by the checks, and printed as Roles."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from meshtest.meshes.kubernetes.check.finding import ERROR, OK, WARNING, Finding
from meshtest.meshes.kubernetes.check.seen import Json, Unseen

TESTED, CONTROL_PLANE, CLUSTER = "tested", "control plane", "cluster"
"""Where a right is needed: in each namespace under test, in those of istiod and of the gateway, or in the cluster as a whole."""

READ = ("get", "list")
WRITE = ("create", "update", "patch", "delete")


@dataclass(frozen=True)
class Right:
    """A rule of a Role: verbs on resources of one API group (a subresource after `/`), only on objects of certain `names` if given.

    `reason` is what it is for; `without` what is lost without it, empty if nothing works then.
    """

    where: str
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    reason: str
    without: str = ""
    names: tuple[str, ...] = ()

    @property
    def rule(self) -> Json:
        """As it stands in a Role."""
        rule: Json = {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}
        return rule | ({"resourceNames": list(self.names)} if self.names else {})

    def questions(self) -> Iterator[tuple[str, str, str, str]]:
        """Verb, resource, subresource and name (empty for any), one of each: what an access review asks."""
        for resource in self.resources:
            name, _, subresource = resource.partition("/")
            for verb in self.verbs:
                for each in self.names or ("",):
                    yield verb, name, subresource, each


FORWARD = ("create", "get")
"""Port-forward over websockets asks for `get` up to Kubernetes 1.34, for `create` as well from 1.35 on
(feature gate AuthorizePodWebsocketUpgradeCreatePermission)."""

_NETWORKING = ("destinationrules", "gateways", "serviceentries", "sidecars", "virtualservices", "workloadentries")
_SECURITY = ("authorizationpolicies", "peerauthentications")
_ROOT_RULES = "rules that are in force in the whole mesh"
_ROOT_RULES_LOST = "such rules are not reckoned with"
_OTHERS = "what others have in the mesh: hosts on the same gateway, rules that reach the namespaces under test"
_OTHERS_LOST = "what others have is not seen"

RIGHTS = (
    Right(
        TESTED,
        "networking.istio.io",
        _NETWORKING,
        (*READ, *WRITE),
        "what tests apply, and take back",
    ),
    Right(
        TESTED,
        "security.istio.io",
        _SECURITY,
        (*READ, *WRITE),
        "what tests apply, and take back",
    ),
    Right(
        TESTED,
        "networking.istio.io",
        ("envoyfilters",),
        (*READ, *WRITE),
        "one that has proxies log tests' requests with all that verdicts need",
    ),
    Right(
        TESTED,
        "",
        ("configmaps",),
        (*READ, *WRITE),
        "how objects were before a run changed them, so that a later run can restore them; the root that sidecars trust",
    ),
    Right(
        TESTED,
        "",
        ("secrets",),
        (*READ, *WRITE),
        "the same of Secrets",
        "tests cannot apply Secrets",
    ),
    Right(
        TESTED,
        "coordination.k8s.io",
        ("leases",),
        ("get", "create", "update", "delete"),
        "one run at a time in a namespace",
    ),
    Right(TESTED, "", ("namespaces",), ("get",), "whether it asks for sidecars"),
    Right(TESTED, "", ("pods", "services"), READ, "what runs there, and by which names it is called"),
    Right(TESTED, "discovery.k8s.io", ("endpointslices",), READ, "which pods a Service leads to"),
    Right(
        TESTED,
        "apps",
        ("daemonsets", "deployments", "statefulsets"),
        ("get", "list"),
        "whether workloads are ready",
        "pods are judged one by one",
    ),
    Right(
        TESTED,
        "",
        ("pods/portforward",),
        FORWARD,
        "behaviour on demand, traffic from a workload's own pod, certificates and statistics of sidecars",
        "no behaviour on demand, and no traffic but through the ingress gateway",
    ),
    Right(TESTED, "", ("pods/log",), ("get",), "access logs of sidecars", "evidence says less"),
    Right(TESTED, "", ("events",), ("get", "list"), "why a pod is not ready", "findings and evidence say less"),
    Right(
        TESTED,
        "",
        ("pods",),
        ("create", "delete"),
        "whether a new pod gets a sidecar (dry run); load from a pod of its own, where the gateway cannot be reached",
        "injection is judged by labels; the gateway must be reachable from here",
    ),
    Right(CONTROL_PLANE, "", ("pods", "services"), READ, "istiod and the gateways"),
    Right(CONTROL_PLANE, "networking.istio.io", _NETWORKING, ("get", "list"), _ROOT_RULES, _ROOT_RULES_LOST),
    Right(CONTROL_PLANE, "security.istio.io", _SECURITY, ("get", "list"), _ROOT_RULES, _ROOT_RULES_LOST),
    Right(
        CONTROL_PLANE,
        "apps",
        ("daemonsets", "deployments", "statefulsets"),
        ("get", "list"),
        "whether istiod and the gateways are ready",
        "their pods are judged one by one",
    ),
    Right(
        CONTROL_PLANE,
        "",
        ("pods/portforward",),
        FORWARD,
        "whether istiod answers and proxies have what it sent; the gateway's health, configuration and certificates, "
        "and the gateway itself where nothing else leads to it",
        "whether a rule is in force is found by probing; the gateway must be reachable from here",
    ),
    Right(CONTROL_PLANE, "", ("pods/log",), ("get",), "access logs of the gateway", "evidence says less"),
    Right(CONTROL_PLANE, "", ("events",), ("get", "list"), "why a pod is not ready", "findings say less"),
    Right(
        CONTROL_PLANE,
        "",
        ("configmaps",),
        ("get",),
        "the configuration of the mesh, and the root that its proxies trust",
        "Istio's defaults are taken to be in force; istiod's certificate is not compared with the root",
        ("istio", "istio-ca-root-cert"),
    ),
    Right(
        CLUSTER,
        "admissionregistration.k8s.io",
        ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"),
        ("get", "list"),
        "who injects sidecars and validates rules",
        "injection is judged by labels, webhooks only by dry runs",
    ),
    Right(
        CLUSTER,
        "",
        ("nodes",),
        ("get", "list"),
        "the gateway's address where it has only a node port",
        "give its URL, or it is reached by port-forward",
    ),
    Right(CLUSTER, "", ("pods", "services"), ("list",), _OTHERS, _OTHERS_LOST),
    Right(CLUSTER, "networking.istio.io", _NETWORKING, ("list",), _OTHERS, _OTHERS_LOST),
    Right(CLUSTER, "security.istio.io", _SECURITY, ("list",), _OTHERS, _OTHERS_LOST),
)


def needed(where: str, group: str, resource: str, verb: str = "") -> Right:
    """The right by which something may be done to a resource there (by default: be read); KeyError if meshtest asks for none."""
    verbs = {verb} if verb else {"get", "list"}
    for right in RIGHTS:
        if (right.where, right.group) == (where, group) and resource in right.resources and verbs & set(right.verbs):
            return right
    raise KeyError(f"no right to {verb or 'read'} {resource} of {group or 'the core group'} in the {where}")


def unseen(words: str, right: Right, namespace: str) -> Unseen:
    """What could not be read for lack of a right, and the rule that would let it."""
    return Unseen(words, _add(right, namespace))


def rights(place: str, wanted: Mapping[Right, Collection[tuple[str, str]]]) -> Iterator[Finding]:
    """Judge the rights in a namespace (empty for the cluster): of each, what is refused of it, as verb and resource."""
    subject = f"{place} rights" if place else "cluster rights"
    for right, refused in wanted.items():
        if refused:
            lost = f": {right.without}" if right.without else f", needed for: {right.reason}"
            message = f"you may not {_said(right.group, refused)}{lost}"
            yield Finding(WARNING if right.without else ERROR, subject, message, _add(right, place))
    if not any(wanted.values()):
        yield Finding(OK, subject, "all that meshtest needs")


def _said(group: str, refused: Collection[tuple[str, str]]) -> str:
    """Verbs and resources in words, resources of the same verbs together."""
    verbs: dict[str, list[str]] = {}
    for verb, resource in refused:
        verbs.setdefault(resource, []).append(verb)
    together: dict[str, list[str]] = {}
    for resource, those in verbs.items():
        together.setdefault(", ".join(those), []).append(resource)
    of = f" of {group}" if group else ""
    return "; ".join(f"{those} {', '.join(resources)}{of}" for those, resources in together.items())


def _add(right: Right, namespace: str) -> str:
    kind = f"a Role in namespace {namespace}" if namespace else "a ClusterRole"
    rule = json.dumps(right.rule)
    return f"have a rule added to {kind} of yours (`meshtest role` prints all): {rule}"
