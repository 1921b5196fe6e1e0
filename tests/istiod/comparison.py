"""Where recordings of istiod and meshtest differ in what decides traffic (as `../shared/golden/compare.py` has it)."""

from __future__ import annotations

from typing import Any

from meshtest.translate.facts import facts, first_difference

Json = dict[str, Any]

PROXIES = {
    "gateway": "istio-ingressgateway",
    "egress": "istio-egressgateway",
    "productpage": "productpage-v1",
    "reviews": "reviews-v2",
}
GATEWAYS = ("gateway", "egress")


def expected(base: Json, case: Json) -> Json:
    """All configurations of a case, of which what it changes is recorded."""
    out: Json = {}
    for proxy, kinds in base.items():
        out[proxy] = {}
        for kind, have in kinds.items():
            change = case.get(proxy, {}).get(kind, {})
            out[proxy][kind] = {
                k: v for k, v in {**have, **change.get("changed", {})}.items() if k not in change.get("removed", [])
            }
    return out


def differences(want: Json, have: Json) -> list[str]:
    """Where istiod (`want`, by the keys of PROXIES) and meshtest (`have`, by workload) disagree."""
    found = []
    for key, proxy in PROXIES.items():
        gateway = key in GATEWAYS
        a, b = facts(want[key], gateway), facts(have.get(proxy, {}), gateway)
        found += [
            f"{proxy}: {fact}{first_difference(a.get(fact), b.get(fact))}"
            for fact in sorted({*a, *b})
            if a.get(fact) != b.get(fact)
        ]
    return found
