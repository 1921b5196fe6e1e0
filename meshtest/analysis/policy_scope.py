"""Which DestinationRules count, for whom, and what a narrower policy leaves of a wider one.

After `pilot/pkg/model/destination_rule.go` and `MergeTrafficPolicy` in `pilot/pkg/networking/util/util.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtest.analysis.catalogue import (
    POLICIES_MERGED,
    POLICY_NOT_LOOKED_AT,
    POLICY_REPLACED,
    SETTING_OF_NO_PORT,
    SUBSET_LABELS,
    SUBSET_POLICY_UNUSED,
    UNKNOWN_POLICY_HOST,
    WILDCARD_REPLACED,
)
from meshtest.analysis.destinations import targets
from meshtest.analysis.finding import INFO, Finding
from meshtest.analysis.host import Host, listed
from meshtest.analysis.sentence import line, short
from meshtest.analysis.world import World
from meshtest.resources.document import Path
from meshtest.resources.resource import Resource
from meshtest.topology.service import exported
from meshtest.translate.host import most_specific, resolved

Spec = Mapping[str, Any]
_LEVELS = ("spec", "trafficPolicy")


def check(world: World) -> Iterator[Finding]:
    """Each DestinationRule by itself, and those that meet."""
    for rule in world.networking("DestinationRule"):
        name = resolved(rule.spec["host"], rule.namespace)
        found = world.hosts.within(name)
        if found:
            yield from _looked_at(world, rule, found)
            yield from _ports_there(rule, found)
        elif name != "*" and not (world.hosts.covering(name) and "*" not in name):
            yield _unknown(world, rule, name)
        else:
            yield from _covered(world, rule, name)
        yield from _replaced(rule)
        yield from _subsets(world, rule, name, found)
    yield from _merged(world)
    yield from _wildcards(world)


def _unknown(world: World, rule: Resource, name: str) -> Finding:
    near, given = world.hosts.near(name), rule.spec["host"]
    if near:
        expanded = " Only names without a dot are completed" if near.startswith(f"{given}.") and "." in given else ""
        remedy = f"Did you mean {near}?{expanded}"
    else:
        remedy = "Name a service, or add a ServiceEntry"
        if world.assumed(rule):
            remedy += " (say with --topology what exists; without it, Bookinfo)"
    severity = INFO if world.assumed(rule) and not near else ""
    message = f"no service of the mesh is called {name}, so that this rule has no effect. {remedy}"
    return UNKNOWN_POLICY_HOST.at(rule, ("spec", "host"), message, severity)


def _covered(world: World, rule: Resource, name: str) -> Iterator[Finding]:
    wide = world.hosts.covering(name)
    if wide is not None and wide.name != name:
        message = (
            f"{wide.resource} has one service for all of {wide.name}, and none that is called {name}, so that this rule has no effect. "
            f"Write host: {wide.name!r}"
        )
        yield UNKNOWN_POLICY_HOST.at(rule, ("spec", "host"), message)


def _looked_at(world: World, rule: Resource, found: list[Host]) -> Iterator[Finding]:
    """Whether any caller looks for it: in its own namespace, the service's, or the root namespace."""
    if rule.namespace in (*world.caller_namespaces, world.root, *(host.namespace for host in found)):
        return
    if any(each.namespace == rule.namespace for each in world.workloads.all):
        return
    callers = listed(sorted(world.caller_namespaces))
    service = found[0]
    message = (
        f"nobody looks at this rule: for {service.short} a caller looks in its own namespace ({callers}), in that of the service "
        f"({service.namespace}) and in {world.root}, but this stands in {rule.namespace}. Put it into {service.namespace}"
    )
    yield POLICY_NOT_LOOKED_AT.at(rule, ("metadata", "namespace"), message)


def _ports_there(rule: Resource, found: list[Host]) -> Iterator[Finding]:
    policies = [(_LEVELS, rule.spec.get("trafficPolicy"))]
    for index, subset in enumerate(rule.spec.get("subsets", [])):
        policies.append((("spec", "subsets", index, "trafficPolicy"), subset.get("trafficPolicy")))  # type: ignore[arg-type]
    for path, policy in policies:
        for index, setting in enumerate((policy or {}).get("portLevelSettings", [])):
            number = setting["port"].get("number")
            if not any(host.port(number) for host in found):
                yield _no_port(rule, found, number, (*path, "portLevelSettings", index, "port", "number"))


def _no_port(rule: Resource, found: list[Host], number: int, path: Path) -> Finding:
    ports = [port for host in found for port in host.ports]
    behind = next((port.number for port in ports if port.target == number), None)
    what = (
        f"{found[0].short} has no port {number}"
        if len(found) == 1
        else f"no service of {rule.spec['host']} has a port {number}"
    )
    known = listed([str(each) for each in sorted({port.number for port in ports})], 6)
    why = (
        f"{number} is where the pods listen, and the Service's port is {behind}" if behind else f"the ports are {known}"
    )
    return SETTING_OF_NO_PORT.at(
        rule, path, f"{what}, so that these settings never count: {why}. Write a port of the Service"
    )


_KEPT = ("connectionPool", "outlierDetection")


def _replaced(rule: Resource) -> Iterator[Finding]:
    """Blocks are replaced as a whole, and a port's settings replace all blocks."""
    top = rule.spec.get("trafficPolicy") or {}
    for index, subset in enumerate(rule.spec.get("subsets", [])):
        own = subset.get("trafficPolicy") or {}
        path = ("spec", "subsets", index, "trafficPolicy")
        yield from _blocks(rule, top, own, path, f"the subset {subset['name']}", _LEVELS)
        yield from _ports(rule, {**top, **own}, own, path, f"of the subset {subset['name']}")
    yield from _ports(rule, top, top, _LEVELS, "")


def _ports(rule: Resource, above: Spec, policy: Spec, path: Path, whose: str) -> Iterator[Finding]:
    for index, setting in enumerate(policy.get("portLevelSettings", [])):
        number = setting["port"].get("number")
        lost = [block for block in (*_KEPT, "tls") if block in above and block not in setting]
        if "tls" in lost and above["tls"].get("mode") == "DISABLE":
            lost.remove("tls")
        who = f"port {number} {whose}".strip()
        at = (*path, "portLevelSettings", index)
        if lost:
            message = (
                f"{who} loses {listed(lost)} of the level above: settings for a port replace all of it, nothing is inherited. "
                f"Repeat {'it' if len(lost) == 1 else 'them'} here"
            )
            yield POLICY_REPLACED.at(rule, at, message)
        yield from _blocks(rule, above, setting, at, who, path)


def _blocks(rule: Resource, above: Spec, own: Spec, path: Path, who: str, upper: Path) -> Iterator[Finding]:
    for block in _KEPT:
        if block in above and block in own and above[block] is not own[block]:
            lost = sorted(_fields(above[block]) - _fields(own[block]))
            if lost:
                where = line(rule, (*upper, block))
                message = (
                    f"{who} loses {listed(lost, 6)} of {where}: its {block} replaces the whole block of the level "
                    "above, the two are not merged. "
                    f"Repeat {'it' if len(lost) == 1 else 'them'} here"
                )
                yield POLICY_REPLACED.at(rule, (*path, block), message)


def _fields(block: Spec) -> set[str]:
    out = set()
    for key, value in block.items():
        out |= {f"{key}.{inner}" for inner in value} if isinstance(value, dict) and key in ("tcp", "http") else {key}
    return out


def _subsets(world: World, rule: Resource, name: str, found: list[Host]) -> Iterator[Finding]:
    used = world.once(
        "subsets in use", lambda: {(each.spec["host"], each.spec.get("subset")) for each in targets(world)}
    )
    subsets = rule.spec.get("subsets", [])
    for index, subset in enumerate(subsets):
        path = ("spec", "subsets", index)
        if subset.get("trafficPolicy") and found and not any((host.name, subset["name"]) in used for host in found):
            message = (
                f"the policy of the subset {subset['name']} never applies: no rule sends traffic to this subset, and "
                f"calls of {short(name)} without a rule "
                f"go to the service as a whole. Add a VirtualService with a route to it, or put the policy into spec.trafficPolicy"
            )
            yield SUBSET_POLICY_UNUSED.at(rule, (*path, "trafficPolicy"), message)
        yield from _other_version(rule, subset, path, found)
    yield from _alike(rule, subsets)


def _other_version(rule: Resource, subset: Spec, path: Path, found: list[Host]) -> Iterator[Finding]:
    """A subset that is named after one value of a label and selects another."""
    name = subset["name"]
    for key, value in subset.get("labels", {}).items():
        values = {each.get(key) for host in found for each in host.members or ()}
        if value != name and name in values:
            message = (
                f"the subset {name} selects {key}={value}, though there are pods with {key}={name}, so that its "
                "traffic goes to other ones. "
                f"Write {key}: {name}, or give the subset another name"
            )
            yield SUBSET_LABELS.at(rule, (*path, "labels", key), message)


def _alike(rule: Resource, subsets: list[Spec]) -> Iterator[Finding]:
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    for index, subset in enumerate(subsets):
        if subset.get("trafficPolicy"):
            continue
        key = tuple(sorted(subset.get("labels", {}).items()))
        if key in seen:
            first = subsets[seen[key]]
            what = ", ".join(f"{name}={value}" for name, value in key) or "no labels, and so all pods"
            message = (
                f"the subsets {first['name']} and {subset['name']} both select {what}, so that a split between them changes nothing. "
                f"Give each its own labels"
            )
            yield SUBSET_LABELS.at(rule, ("spec", "subsets", index, *(["labels"] if key else [])), message)
        seen.setdefault(key, index)


def _merged(world: World) -> Iterator[Finding]:
    """Two rules for one host in one namespace: the first policy counts, and the first subset of a name."""
    first: dict[tuple[str, str, frozenset[str], str], list[Resource]] = {}
    for rule in world.snapshot.of_kind("DestinationRule"):
        selector = str(sorted((rule.spec.get("workloadSelector") or {}).get("matchLabels", {}).items()))
        key = (
            rule.namespace,
            resolved(rule.spec["host"], rule.namespace),
            exported(rule.spec.get("exportTo", []), rule.namespace),
            selector,
        )
        for older in first.setdefault(key, []):
            yield from _two(older, rule)
        first[key].append(rule)


def _two(older: Resource, rule: Resource) -> Iterator[Finding]:
    where = f"{older} ({line(older, (), rule)})"
    if older.spec.get("trafficPolicy") and rule.spec.get("trafficPolicy"):
        message = (
            f"{where} is for {rule.spec['host']} too and comes first, so that this trafficPolicy does not count at "
            "all: only subsets are merged. "
            f"Put the two into one DestinationRule"
        )
        yield POLICIES_MERGED.at(rule, _LEVELS, message)
    known = {subset["name"]: subset for subset in older.spec.get("subsets", [])}
    for index, subset in enumerate(rule.spec.get("subsets", [])):
        other = known.get(subset["name"])
        if other is not None and other != subset:
            message = (
                f"{where} defines the subset {subset['name']} otherwise and comes first, so that this definition does not count. "
                f"Keep one of the two"
            )
            yield POLICIES_MERGED.at(rule, ("spec", "subsets", index), message)


def _wildcards(world: World) -> Iterator[Finding]:
    """A rule for a host replaces the one for a wildcard around it, also where it says nothing."""
    rules = [each for each in world.snapshot.of_kind("DestinationRule") if "workloadSelector" not in each.spec]
    wide = {
        (each.namespace, resolved(each.spec["host"], each.namespace)): each
        for each in rules
        if each.spec["host"].startswith("*")
    }
    if not wide:
        return
    for rule in rules:
        name = resolved(rule.spec["host"], rule.namespace)
        candidates = [host for namespace, host in wide if namespace == rule.namespace and host != name]
        around = most_specific(name, candidates) if candidates else None
        if around is None or not world.hosts.within(name):
            continue
        other = wide[rule.namespace, around]
        mine = rule.spec.get("trafficPolicy") or {}
        lost = [
            block for block in (*_KEPT, "tls") if block in (other.spec.get("trafficPolicy") or {}) and block not in mine
        ]
        if lost:
            message = (
                f"for {short(name)} the {listed(lost)} of {other} ({around}, {line(other, (), rule)}) "
                f"do{'es' if len(lost) == 1 else ''} not count: "
                f"the rule for the narrower host replaces the other as a whole. Repeat {'it' if len(lost) == 1 else 'them'} here"
            )
            yield WILDCARD_REPLACED.at(rule, ("spec", "host"), message)
