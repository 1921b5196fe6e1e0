"""VirtualService rules as Envoy routes (`pilot/pkg/networking/core/route/route.go`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from meshtest.topology.service import Port, Service
from meshtest.translate.cluster_name import outbound_name
from meshtest.translate.cors import cors
from meshtest.translate.destination_rule import Policy
from meshtest.translate.fault import fault, fraction, whole_fraction
from meshtest.translate.headers import HeaderOperations, header_operations
from meshtest.translate.load_balancer import hash_policy
from meshtest.translate.retry import retry_policy
from meshtest.translate.route_match import catches_all, route_match
from meshtest.translate.snapshot import Json, Proxy, Snapshot
from meshtest.translate.virtual_service import Rule, Spec, VirtualService

_REDIRECT_CODES = {302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}


@dataclass(frozen=True)
class Place:
    """Where routes are made for: a proxy, one of its ports, and the gateways (or `mesh`) that this is."""

    snapshot: Snapshot
    proxy: Proxy
    port: int
    gateways: frozenset[str]
    tls: bool = False
    home: str = ""  # the namespace of the VirtualService, whose Services a gateway prefers

    def service(self, host: str) -> Service | None:
        """The Service of this name that the rule means (`buildNameToServiceMapForHTTPRoutes`)."""
        own = self.snapshot.registry.by_host.get(host, {}).get(self.home) if self.proxy.gateway else None
        if own and own.visible_in(self.proxy.namespace):
            return own
        return self.snapshot.scope(self.proxy).by_hostname.get(host)


def routes(place: Place, virtual_service: VirtualService) -> list[Json]:
    """The routes of a VirtualService at a place, in order; nothing comes behind one that catches all."""
    key = (place.port, place.gateways, place.tls, place.snapshot.routes_key(place.proxy))
    if key not in virtual_service.made:
        home = virtual_service.resource.namespace
        virtual_service.made[key] = [*_routes(replace(place, home=home), virtual_service)]
    made: list[Json] = virtual_service.made[key]
    return made


def _routes(place: Place, virtual_service: VirtualService) -> Iterator[Json]:
    for entry, rule in enumerate(virtual_service.http):
        for number, match in enumerate(rule.spec.get("match") or [None]):
            if hindrance(place, match):
                continue
            made = _route(place, virtual_service, rule, match)
            made["metadata"] = _metadata(virtual_service, entry, number if match is not None else None)
            yield made
            if catches_all(made["match"]):
                return


def hindrance(place: Place, match: Spec | None) -> str:
    """What keeps a match from a place, as it never reaches Envoy: its field for the port, the gateways, the source; empty if nothing."""
    if match is None:
        return ""
    if match.get("port", 0) not in (0, place.port):
        return "port"
    if match.get("gateways"):  # then the source does not count
        return "gateways" if place.gateways.isdisjoint(match["gateways"]) else ""
    wanted = match.get("sourceLabels")
    if wanted and not wanted.items() <= place.snapshot.labels(place.proxy).items():
        return "sourceLabels"
    return "" if match.get("sourceNamespace", "") in ("", place.proxy.namespace) else "sourceNamespace"


def _route(place: Place, virtual_service: VirtualService, rule: Rule, match: Spec | None) -> Json:
    spec = rule.spec
    operations = header_operations(spec.get("headers"))
    out: Json = {
        "match": route_match(match),
        **_action(place, spec, operations),
    }
    if name := _name(spec, match):
        out["name"] = name
    if match and match.get("statPrefix"):
        out["stat_prefix"] = match["statPrefix"]
    filters = {}
    if "fault" in spec:
        filters["envoy.filters.http.fault"] = fault(spec["fault"])
    if "corsPolicy" in spec:
        filters["envoy.filters.http.cors"] = cors(spec["corsPolicy"])
    if filters:
        out["typed_per_filter_config"] = filters
    return out


def _name(rule: Spec, match: Spec | None) -> str:
    name = str(rule.get("name", ""))
    return f"{name}.{match['name']}" if match and match.get("name") else name


def _metadata(virtual_service: VirtualService, entry: int, match: int | None) -> Json:
    """Where the route comes from: istiod's own note; ours has file and line, and of a delegate's rule where its root has taken it in."""
    resource, rule = virtual_service.resource, virtual_service.http[entry]
    origin = rule.origin
    if match is not None:
        origin["match"] = match
    if rule.root is not None:
        origin |= {"root": str(resource), "entry": entry}
    config = f"/apis/networking.istio.io/v1/namespaces/{resource.namespace}/virtual-service/{resource.name}"
    return {"filter_metadata": {"istio": {"config": config}, "meshtest": origin}}


def _action(place: Place, rule: Spec, operations: HeaderOperations) -> Json:
    if "redirect" in rule:
        return {"redirect": _redirect(place, rule["redirect"]), **operations.fields}
    if "directResponse" in rule:
        return {"direct_response": _direct_response(rule["directResponse"]), **operations.fields}
    return _forward(place, rule, operations)


def _forward(place: Place, rule: Spec, operations: HeaderOperations) -> Json:
    rewrite = rule.get("rewrite", {})
    action: Json = {"timeout": rule.get("timeout", "0s"), **_path_rewrite(rewrite)}
    action["max_grpc_timeout"] = action["timeout"]
    if authority := rewrite.get("authority") or operations.authority:
        action["host_rewrite_literal"] = authority
    if mirrors := _mirrors(place, rule):
        action["request_mirror_policies"] = mirrors
    targets = rule.get("route", [])
    hashes = [_consistent_hash(place, target["destination"]) for target in targets]
    fields = operations.fields
    if len(targets) == 1:
        own = header_operations(targets[0].get("headers"))
        fields = _joined(fields, own.fields)
        action["cluster"] = destination_cluster(place, targets[0]["destination"])
        if own.authority:
            action.setdefault("host_rewrite_literal", own.authority)
    else:
        action["weighted_clusters"] = {
            "clusters": [_weighted(place, target) for target in targets if target.get("weight")]
        }
        hashes = [each for each, target in zip(hashes, targets, strict=True) if target.get("weight")]
    if policies := [policy for each in hashes for policy in hash_policy(each)]:
        action["hash_policy"] = policies
    retries = rule.get("retries", place.snapshot.topology.config.default_retries)
    if (retry := retry_policy(retries, hashed=len(targets) == 1 and hashes[0] is not None)) is not None:
        action["retry_policy"] = retry
    return {"route": action, **fields}


def _path_rewrite(rewrite: Spec) -> Json:
    if "uriRegexRewrite" in rewrite:
        given = rewrite["uriRegexRewrite"]
        return {
            "regex_rewrite": {"pattern": {"regex": given.get("match", "")}, "substitution": given.get("rewrite", "")}
        }
    return {"prefix_rewrite": rewrite["uri"]} if rewrite.get("uri") else {}


def _joined(first: Json, second: Json) -> Json:
    return {
        key: [*first.get(key, []), *second.get(key, [])]
        for key in (*first, *(key for key in second if key not in first))
    }


def _weighted(place: Place, target: Spec) -> Json:
    own = header_operations(target.get("headers"))
    authority = {"host_rewrite_literal": own.authority} if own.authority else {}
    return {
        "name": destination_cluster(place, target["destination"]),
        "weight": target["weight"],
        **own.fields,
        **authority,
    }


def _mirrors(place: Place, rule: Spec) -> list[Json]:
    out = []
    if "mirror" in rule:
        percent = rule.get("mirrorPercent", rule.get("mirror_percent"))
        out.append(_mirror(place, rule["mirror"], rule.get("mirrorPercentage"), 100 if percent is None else percent))
    out += [_mirror(place, each["destination"], each.get("percentage"), 100) for each in rule.get("mirrors", [])]
    return [each for each in out if each]


def _mirror(place: Place, destination: Spec, percentage: Spec | None, percent: int) -> Json:
    """A mirror policy; none where the share is 0."""
    if not (percent if percentage is None else percentage.get("value")):
        return {}
    share = whole_fraction(percent) if percentage is None else fraction(percentage)
    return {
        "cluster": destination_cluster(place, destination),
        "runtime_fraction": {"default_value": share},
        "trace_sampled": False,
        "disable_shadow_host_suffix_append": True,
    }


def destination_cluster(place: Place, destination: Spec) -> str:
    """The cluster for a destination: its port, else the Service's only one, else the one that was called.

    A sidecar knows of each Service the called port alone (`BuildSidecarOutboundVirtualHosts`), unless no port was called.
    """
    number = destination.get("port", {}).get("number")
    if number is None:
        alone = place.proxy.gateway or not place.port
        service = place.service(destination["host"]) if alone else None
        number = service.ports[0].number if service and len(service.ports) == 1 else place.port
    return outbound_name(number, destination.get("subset", ""), destination["host"])


def _consistent_hash(place: Place, destination: Spec) -> Spec | None:
    """Of the subset's port, of the subset, of the port, of the rule: the first that is given."""
    rule = place.snapshot.rule(place.proxy, destination["host"])
    if rule is None:
        return None
    port = destination.get("port", {}).get("number")
    subset = (rule.subset(destination.get("subset", "")) or {}).get("trafficPolicy", {})
    for policy in (_for_port(subset, port), subset, _for_port(rule.policy or {}, port), rule.policy or {}):
        if (found := _hash_of(policy)) is not None:
            return found
    return None


def _hash_of(policy: Policy) -> Spec | None:
    found: Spec | None = policy.get("loadBalancer", {}).get("consistentHash")
    return found


def _for_port(policy: Policy, port: int | None) -> Policy:
    return next((each for each in policy.get("portLevelSettings", []) if each["port"].get("number") == port), {})


def default_route(place: Place, service: Service, port: Port) -> Json:
    """The route to a Service that no VirtualService names."""
    action: Json = {
        "cluster": outbound_name(port.number, "", service.hostname),
        "timeout": "0s",
        "max_grpc_timeout": "0s",
    }
    if rule := place.snapshot.rule(place.proxy, service.hostname):
        by_port = _hash_of(_for_port(rule.policy or {}, port.number))
        if policy := hash_policy(by_port if by_port is not None else _hash_of(rule.policy or {})):
            action["hash_policy"] = policy
    if retry := retry_policy(place.snapshot.topology.config.default_retries):
        action["retry_policy"] = retry
    return {"name": "default", "match": {"prefix": "/"}, "route": action}


def _redirect(place: Place, given: Spec) -> Json:
    out: Json = (
        {"prefix_rewrite": given["prefixRewrite"]}
        if "prefixRewrite" in given
        else {"path_redirect": given.get("uri", "")}
    )
    if given.get("authority"):
        out["host_redirect"] = given["authority"]
    if given.get("scheme"):
        out["scheme_redirect"] = given["scheme"]
    port = place.port if given.get("derivePort") == "FROM_REQUEST_PORT" else given.get("port", 0)
    scheme = given.get("scheme") or ("https" if place.tls else "http")
    if port and (port, scheme) not in ((80, "http"), (443, "https")):
        out["port_redirect"] = port
    if (code := given.get("redirectCode", 301)) in _REDIRECT_CODES:
        out["response_code"] = _REDIRECT_CODES[code]
    return out


def _direct_response(given: Spec) -> Json:
    body = given.get("body", {})
    out: Json = {"status": given["status"]}
    if "string" in body:
        out["body"] = {"inline_string": body["string"]}
    elif "bytes" in body:
        out["body"] = {"inline_bytes": body["bytes"]}
    return out
