"""The manifests of Istio's own Bookinfo sample (samples/bookinfo/networking), in substance."""

from __future__ import annotations

from collections.abc import Mapping

VERSIONS: Mapping[str, tuple[str, ...]] = {
    "productpage": ("v1",),
    "reviews": ("v1", "v2", "v3"),
    "ratings": ("v1", "v2", "v2-mysql", "v2-mysql-vm"),
    "details": ("v1", "v2"),
}
JASON = "match: [{headers: {end-user: {exact: jason}}}]"


def _resource(kind: str, name: str, spec: str) -> str:
    return f"apiVersion: VERSION\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  {spec.strip()}\n"


def _to(host: str, subset: str, weight: int | None = None) -> str:
    return f"{{destination: {{host: {host}, subset: {subset}}}{'' if weight is None else f', weight: {weight}'}}}"


def _rules(host: str, *rules: str) -> str:
    return _resource("VirtualService", host, f"hosts:\n  - {host}\n  http: [{', '.join(rules)}]")


def _all_to(host: str, subset: str) -> str:
    return _rules(host, f"{{route: [{_to(host, subset)}]}}")


def _split(first: str, share: int, second: str) -> str:
    return _rules("reviews", f"{{route: [{_to('reviews', first, share)}, {_to('reviews', second, 100 - share)}]}}")


def _jason(host: str, before: str, subset: str, otherwise: str) -> str:
    return _rules(host, f"{{{JASON}, {before} route: [{_to(host, subset)}]}}", f"{{route: [{_to(host, otherwise)}]}}")


def _subsets(more: str) -> str:
    return "---\n".join(
        _resource(
            "DestinationRule",
            host,
            f"host: {host}\n  {more}subsets: [{', '.join(f'{{name: {each}, labels: {{version: {each}}}}}' for each in versions)}]",
        )
        for host, versions in VERSIONS.items()
    )


_GATEWAY = (
    "selector: {istio: ingressgateway}\n  servers: [{port: {number: %s, name: %s, protocol: HTTP}, hosts: ['*']}]"
)
_PAGES = ("exact: /productpage", "prefix: /static", "exact: /login", "exact: /logout", "prefix: /api/v1/products")

FILES: Mapping[str, str] = {
    "bookinfo-gateway": _resource("Gateway", "bookinfo-gateway", _GATEWAY % (8080, "http"))
    + "---\n"
    + _resource(
        "VirtualService",
        "bookinfo",
        "hosts: ['*']\n  gateways: [bookinfo-gateway]\n  http:\n  - match: ["
        + ", ".join(f"{{uri: {{{page}}}}}" for page in _PAGES)
        + "]\n    route: [{destination: {host: productpage, port: {number: 9080}}}]",
    ),
    "certmanager-gateway": _resource("Gateway", "cert-manager-gateway", (_GATEWAY % (80, "http")) + "\n").replace(
        "name: cert-manager-gateway", "name: cert-manager-gateway\n  namespace: istio-system"
    )
    + "---\n"
    + _resource(
        "VirtualService",
        "cert-manager",
        "hosts: ['*']\n  gateways: [cert-manager-gateway]\n  http:\n  - match: [{uri: {prefix: /.well-known/acme-challenge/}}]\n"
        "    route: [{destination: {host: cert-manager-resolver, port: {number: 8089}}}]",
    ),
    "destination-rule-all": _subsets(""),
    "destination-rule-all-mtls": _subsets("trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}\n  "),
    "destination-rule-reviews": _resource(
        "DestinationRule",
        "reviews",
        "host: reviews\n  trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}\n  subsets: [{}]".format(
            ", ".join(f"{{name: {each}, labels: {{version: {each}}}}}" for each in VERSIONS["reviews"])
        ),
    ),
    "egress-rule-google-apis": _resource(
        "ServiceEntry",
        "googleapis",
        "hosts: [www.googleapis.com]\n  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: https, protocol: HTTPS}]\n"
        "  resolution: DNS",
    )
    + "---\n"
    + _rules(
        "www.googleapis.com",
        "{match: [{port: 80}], route: [{destination: {host: www.googleapis.com, port: {number: 443}}}]}",
    )
    + "---\n"
    + _resource(
        "DestinationRule",
        "originate-tls-for-www-googleapis-com",
        "host: www.googleapis.com\n  trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]}",
    ),
    "fault-injection-details-v1": _rules(
        "details",
        f"{{fault: {{abort: {{httpStatus: 555, percentage: {{value: 100}}}}}}, route: [{_to('details', 'v1')}]}}",
    ),
    "virtual-service-all-v1": "---\n".join(_all_to(host, "v1") for host in VERSIONS),
    "virtual-service-details-v2": _all_to("details", "v2"),
    **{
        f"virtual-service-ratings-{name}": _all_to("reviews", "v3") + "---\n" + _all_to("ratings", subset)
        for name, subset in (("db", "v2"), ("mysql", "v2-mysql"), ("mysql-vm", "v2-mysql-vm"))
    },
    "virtual-service-ratings-test-abort": _jason(
        "ratings", "fault: {abort: {percentage: {value: 100.0}, httpStatus: 500}},", "v1", "v1"
    ),
    "virtual-service-ratings-test-delay": _jason(
        "ratings", "fault: {delay: {percentage: {value: 100.0}, fixedDelay: 7s}},", "v1", "v1"
    ),
    "virtual-service-reviews-50-v3": _split("v1", 50, "v3"),
    "virtual-service-reviews-80-20": _split("v1", 80, "v2"),
    "virtual-service-reviews-90-10": _split("v1", 90, "v2"),
    "virtual-service-reviews-jason-v2-v3": _jason("reviews", "", "v2", "v3"),
    "virtual-service-reviews-test-v2": _jason("reviews", "", "v2", "v1"),
    "virtual-service-reviews-v2-v3": _split("v2", 50, "v3"),
    "virtual-service-reviews-v3": _all_to("reviews", "v3"),
}


def text(name: str, version: str = "v1") -> str:
    """A file's text, with the version of its API."""
    return FILES[name].replace("VERSION", f"networking.istio.io/{version}")
