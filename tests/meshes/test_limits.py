"""What translates and cannot be run is refused by name when it is applied, and nothing has changed then."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from meshtest.errors import MeshError
from meshtest.meshes.local.limits import check_limits
from meshtest.meshes.local.mesh import LocalMesh
from meshtest.resources.manifest import check, read_text
from meshtest.resources.problem import WrongResources
from meshtest.traffic.request import GET
from tests.meshes.manifests import GATEWAY, SUBSETS, rules, to
from tests.meshes.test_local_mesh import ask
from tests.resources.bookinfo_networking import FILES, text

Put = Callable[[str], None]


def resource(kind: str, spec: str) -> str:
    """A resource."""
    return f"---\napiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: it}}\nspec: {{{spec}}}\n"


def refused(given: str) -> list[tuple[str, int, str]]:
    """The fields that are refused, their lines, and why."""
    try:
        check_limits(check(read_text(given, "test.yaml")), True)
    except WrongResources as error:
        assert error.unsupported
        return [(each.field, each.resource.line(*each.path), each.message) for each in error.problems]
    return []


MUTUAL = "ISTIO_MUTUAL cannot be run by the local mesh: its sidecars speak plain text to each other"


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        (
            resource("DestinationRule", "host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"),
            ["spec.trafficPolicy.tls.mode"],
        ),
        (
            resource(
                "DestinationRule",
                "host: a, trafficPolicy: {portLevelSettings: [{port: {number: 1}, tls: {mode: SIMPLE}}, {port: {number: 2}, tls: {mode: ISTIO_MUTUAL}}]}",
            ),
            ["spec.trafficPolicy.portLevelSettings[1].tls.mode"],
        ),
        (
            resource(
                "DestinationRule",
                "host: a, subsets: [{name: b}, {name: c, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 2}, tls: {mode: ISTIO_MUTUAL}}]}}]",
            ),
            ["spec.subsets[1].trafficPolicy.tls.mode", "spec.subsets[1].trafficPolicy.portLevelSettings[0].tls.mode"],
        ),
        (
            resource("DestinationRule", "host: a, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: /c, caCrl: /r}}"),
            ["spec.trafficPolicy.tls.caCrl"],
        ),
        (
            resource(
                "Gateway",
                "selector: {a: b}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: ['*'], tls: {mode: ISTIO_MUTUAL}}, {port: {number: 15443, name: b, protocol: TLS}, hosts: ['*'], tls: {mode: AUTO_PASSTHROUGH}}]",
            ),
            ["spec.servers[0].tls.mode", "spec.servers[1].tls.mode"],
        ),
        (
            resource(
                "Gateway",
                "selector: {a: b}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: ['*'], tls: {mode: MUTUAL, serverCertificate: /s, privateKey: /k, caCertificates: /c, caCrl: /r}}]",
            ),
            ["spec.servers[0].tls.caCrl"],
        ),
        *(
            (
                resource(
                    "Gateway",
                    f"selector: {{a: b}}, servers: [{{port: {{number: 443, name: a, protocol: HTTPS}}, hosts: ['*'], tls: {{mode: {mode}, credentialName: c}}}}]",
                ),
                [],
            )
            for mode in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
        ),
        *(
            (resource("DestinationRule", f"host: a, trafficPolicy: {{tls: {{mode: {mode}}}}}"), [])
            for mode in ("DISABLE", "SIMPLE")
        ),
        (GATEWAY + SUBSETS + rules(to("v1")), []),
    ],
)
def test_fields(given: str, fields: list[str]) -> None:
    """Each mode and file that cannot be run is named where it stands."""
    found = refused(given)
    assert [field for field, _, _ in found] == fields
    assert all("cannot be run by the local mesh" in why for _, _, why in found)
    assert all(line > 1 for _, line, _ in found)


def test_nothing_has_changed(bookinfo: LocalMesh, put: Put) -> None:
    """What is refused leaves in force what was."""
    put(GATEWAY + rules(to("v1")) + SUBSETS)
    with pytest.raises(
        WrongResources,
        match=r"test.yaml:\d+: DestinationRule default/it spec.trafficPolicy.tls.mode: ISTIO_MUTUAL cannot",
    ):
        put(
            GATEWAY
            + rules(to("v2"))
            + SUBSETS
            + resource("DestinationRule", "host: details, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}")
        )
    assert ask(bookinfo, GET("/reviews/0")).json()["podname"].startswith("reviews-v1-")


def test_what_envoy_rejects_takes_its_stand_ins_along(bookinfo: LocalMesh, put: Put) -> None:
    """A change that fails leaves no stand-in of its own, and those before it stay."""
    entry = resource(
        "ServiceEntry", "hosts: [HOST], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS"
    )
    header = "{request: {set: {x-a: '%NOSUCH%'}}}"
    broken = rules(f"[{{headers: {header}, route: [{{destination: {{host: details}}}}]}}]")
    put(GATEWAY + entry.replace("HOST", "before.org"))
    places = {host: bookinfo._sites.host(host, 80) for host in ("before.org", "after.org")}
    with pytest.raises(MeshError, match="NOSUCH"):
        put(GATEWAY + broken + entry.replace("HOST", "after.org"))
    assert {host: answers(place) for host, place in places.items()} == {"before.org": True, "after.org": False}
    assert ask(bookinfo, GET("http://before.org/"), "productpage-v1").json()["podname"] == "before.org"
    put("")
    assert not any(map(answers, places.values()))


def answers(place: tuple[str, int]) -> bool:
    """Whether somebody listens."""
    try:
        socket.create_connection(place).close()
    except ConnectionRefusedError:
        return False
    return True


def test_istios_own_samples(bookinfo: LocalMesh, put: Put) -> None:
    """All of Bookinfo's samples can be applied, but for the one that asks for mutual TLS: it is refused by name."""
    for name in FILES:
        if name != "destination-rule-all-mtls":
            put(text(name))
    with pytest.raises(WrongResources) as caught:
        put(text("destination-rule-all-mtls"))
    assert caught.value.unsupported
    assert [(each.resource.name, each.field, each.message) for each in caught.value.problems] == [
        (host, "spec.trafficPolicy.tls.mode", MUTUAL) for host in ("productpage", "reviews", "ratings", "details")
    ]
