"""What istiod lists of proxies, judged as `istioctl proxy-status` does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meshtest.meshes.kubernetes.check.sync import rejected, settled, states, synced
from tests.check.documents import told

NONCES = st.sampled_from(["", "a", "b"])
URL = "type.googleapis.com/envoy.config.{}"


def listed(name="one.shop", **types):
    """A proxy, by what was sent and acknowledged of types; a third value is its error."""
    urls = {
        "CDS": URL.format("cluster.v3.Cluster"),
        "LDS": URL.format("listener.v3.Listener"),
        "RDS": URL.format("route.v3.RouteConfiguration"),
        "EDS": URL.format("endpoint.v3.ClusterLoadAssignment"),
    }
    resources = {
        urls[kind]: {"sent": sent, "acked": acked, **({"lastError": error[0]} if error else {})}
        for kind, (sent, acked, *error) in types.items()
    }
    return {"proxy": name, "resources": resources}


def test_states():
    """The four words; types have their short names."""
    one = listed(CDS=("n", "n"), LDS=("n", "m"), RDS=("", ""), EDS=("n", "m", "no such field"))
    assert states(one) == {"CDS": "SYNCED", "LDS": "STALE", "RDS": "NOT SENT", "EDS": "ERROR"}


@given(st.dictionaries(st.sampled_from(["CDS", "LDS", "RDS", "EDS"]), st.tuples(NONCES, NONCES)))
def test_an_older_istiod_says_the_same(types):
    """Its list has a field a type; of what was never asked for there is none."""
    fields = {"CDS": "cluster", "LDS": "listener", "RDS": "route", "EDS": "endpoint"}
    old = {"proxy": "one.shop"}
    for kind, (sent, acked) in types.items():
        old |= {f"{fields[kind]}_sent": sent, f"{fields[kind]}_acked": acked}
    known = {kind: nonces for kind, nonces in types.items() if any(nonces)}
    assert states(old) == states(listed(**known))


def test_fine_ones_are_one_finding():
    """Types that were never sent are none of a proxy's fault."""
    proxies = [listed("a.shop", CDS=("n", "n"), RDS=("", "")), listed("b.shop", CDS=("n", "n")), listed("c.other")]
    assert settled(proxies)
    assert told(synced("shop", ["a.shop", "b.shop"], proxies)) == [
        ("ok", "shop proxies", "2 of 2 connected to istiod and SYNCED")
    ]


def test_those_that_are_not():
    """Not there, behind, and unwilling."""
    late, unwilling = listed("late.shop", LDS=("n", "m")), listed("un.shop", LDS=("n", "m", "bad"), CDS=("n", "n"))
    assert not settled([late])
    assert told(synced("shop", ["gone.shop", "late.shop", "un.shop"], [late, unwilling])) == [
        ("error", "shop pod/gone proxy", "is not connected to istiod: no rule reaches it"),
        ("warning", "shop pod/late proxy", "has not acknowledged what istiod sent last (LDS STALE)"),
        ("error", "shop pod/un proxy", "rejects what istiod sends (LDS ERROR): bad"),
    ]


def test_what_proxies_say_themselves():
    """Where istiod may not be asked, at least rejections are seen."""
    lds = "listener_manager.lds.update_rejected"
    assert told(rejected({"a.shop": {lds: 0}, "b.shop": {lds: 2, "cluster_manager.cds.update_rejected": 1}})) == [
        ("warning", "shop pod/b proxy", "has rejected 3 updates of istiod since it was started")
    ]
