"""An explanation for people, and as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from meshtest.explain.absence import Rule
from meshtest.explain.hop import End, Explanation, Hop, Onward

MANY = 12
"""Rules of one sort that are listed before the rest is counted."""

_WIDTH = 17


def lines(explanation: Explanation) -> Iterator[str]:
    """The way as lines, in the order in which the call travels."""
    yield f"{explanation.call}, from {explanation.source}"
    yield from _hop(explanation.first, "")


def _line(indent: str, what: str, text: str) -> str:
    return f"{indent}  {what:<{_WIDTH}}{text}".rstrip()


def _hop(hop: Hop, indent: str) -> Iterator[str]:
    yield ""
    yield f"{indent}{hop.proxy}"
    if hop.listener:
        yield _line(indent, "listener", hop.listener + (f": {hop.entered}" if hop.entered else ""))
    for server in hop.servers:
        yield _line(indent, "server", server)
    if hop.chain:
        yield _line(indent, "filter chain", hop.chain)
    for policy in hop.policies:
        yield _line(indent, "policies", policy)
    if hop.path:
        yield _line(indent, "path", f"is read as {hop.path}")
    if hop.virtual_host:
        yield _line(indent, "virtual host", f"{hop.virtual_host}, for the domain {hop.domain}")
    yield from _rules(hop.absent, "not here", indent)
    yield from _rules(hop.passed, "no match", indent)
    if hop.rule:
        yield _line(indent, "rule", _at(hop.rule))
    for each in hop.applied:
        yield _line(indent, each.what, each.how + (f" at {each.where}" if each.where else ""))
    for onward in hop.onward:
        yield from _onward(onward, len(hop.onward) > 1, indent)
    if hop.end:
        yield _line(indent, "end", _end(hop.end))


def _at(rule: Rule) -> str:
    return f"{rule.name} at {rule.where}" if rule.where else rule.name


def _rules(rules: Sequence[Rule], what: str, indent: str) -> Iterator[str]:
    """Rules and reasons; of several with the same reason the first speaks for all."""
    found = [(reason, [*same]) for reason, same in groupby(rules, key=lambda rule: rule.reason)]
    for number, (reason, same) in enumerate(found):
        if number == MANY:
            left = sum(len(rest) for _, rest in found[MANY:])
            yield _line(indent, what, f"and {left} more (-o json lists them all)")
            return
        more = f", and {len(same) - 1} more behind it" if len(same) > 1 else ""
        yield _line(indent, what, f"{_at(same[0])}{more}: {reason}")


def _onward(onward: Onward, several: bool, indent: str) -> Iterator[str]:
    found = onward.destination
    if found.handed_in and onward.end:
        yield _line(indent, "end", _end(onward.end))
        return
    at = f" at {found.subset_at}" if found.subset_at else ""
    yield _line(indent, f"{100 * found.share:.4g} %" if several else "to", f"{found}{at}")
    if found.host:
        yield _line(indent, "", f"cluster {found.cluster}")
    if found.tls:
        yield _line(indent, "", found.tls)
    listed = [f"{each} (priority {each.priority})" if each.priority else str(each) for each in found.endpoints]
    if listed:
        left = f", and {len(listed) - MANY} more" if len(listed) > MANY else ""
        yield _line(indent, "", f"endpoints {', '.join(listed[:MANY])}{left}")
    if onward.end:
        yield _line(indent, "end", _end(onward.end))
    plain = [hop for hop in onward.hops if _plain(hop)]
    if plain:
        names = ", ".join(hop.proxy for hop in plain)
        yield _line(indent, "then", f"the sidecar of {names} hands it in: {_end(next(plain[0].ends()))}")
    alike: dict[str, list[Hop]] = {}
    for hop in onward.hops:
        if hop not in plain:
            alike.setdefault(repr(replace(hop, proxy="")), []).append(hop)
    for hops in alike.values():
        yield from _hop(replace(hops[0], proxy=", ".join(hop.proxy for hop in hops)), indent + "    ")


def _plain(hop: Hop) -> bool:
    """Whether a hop is a sidecar that hands the call to its workload, and has nothing to say about it."""
    return hop.listener == "virtualInbound" and not hop.policies and all(end.taken for end in hop.ends())


def _end(end: End) -> str:
    status = " ".join(filter(None, [str(end.status or ""), end.flag]))
    return f"{status}: {end.says}" if status else end.says


def as_json(explanation: Explanation) -> Mapping[str, Any]:
    """The same as data."""
    return {
        "call": str(explanation.call),
        "from": explanation.source,
        "taken": explanation.taken,
        "hop": _hop_json(explanation.first),
    }


def _hop_json(hop: Hop) -> Mapping[str, Any]:
    return {
        "proxy": hop.proxy,
        "listener": hop.listener,
        "entered": hop.entered,
        "servers": [*hop.servers],
        "filterChain": hop.chain,
        "path": hop.path,
        "virtualHost": hop.virtual_host,
        "domain": hop.domain,
        "policies": [*hop.policies],
        "notHere": [_rule_json(each) for each in hop.absent],
        "notMatched": [_rule_json(each) for each in hop.passed],
        "rule": _rule_json(hop.rule) if hop.rule else None,
        "applied": [{"what": each.what, "how": each.how, "where": each.where} for each in hop.applied],
        "clusters": [_onward_json(each) for each in hop.onward],
        "end": _end_json(hop.end),
    }


def _rule_json(rule: Rule) -> Mapping[str, str]:
    return {"rule": rule.name, "where": rule.where, "reason": rule.reason}


def _onward_json(onward: Onward) -> Mapping[str, Any]:
    found = onward.destination
    return {
        "cluster": found.cluster,
        "share": found.share,
        "host": found.host,
        "port": found.port,
        "subset": found.subset,
        "subsetAt": found.subset_at,
        "tls": found.tls,
        "endpoints": [
            {
                "address": each.address,
                "port": each.port,
                "pod": each.instance.name if each.instance else None,
                "priority": each.priority,
            }
            for each in found.endpoints
        ],
        "hops": [_hop_json(each) for each in onward.hops],
        "end": _end_json(onward.end),
    }


def _end_json(end: End | None) -> Mapping[str, Any] | None:
    if end is None:
        return None
    return {"taken": end.taken, "status": end.status, "flag": end.flag, "says": end.says}
