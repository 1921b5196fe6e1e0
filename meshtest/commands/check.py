"""`meshtest check`: is the cluster ready for tests?"""

from __future__ import annotations

import argparse
import json
import sys

from meshtest.commands.given import Commands, add_cluster


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """What it takes."""
    parser = commands.add_parser(
        "check",
        help="is the cluster ready for tests: Istio, sidecars, certificates, rights",
        description="Looks at the control plane, the ingress gateway and the namespaces under test, and judges what it sees. "
        "It changes nothing; webhooks are asked in dry runs.",
        epilog="Exit status: 1 if something is wrong (error), else 0.",
    )
    add_cluster(parser)
    parser.add_argument("--istio-namespace", default="istio-system", metavar="N", help="that of istiod (istio-system)")
    parser.add_argument(
        "--gateway",
        metavar="N/SERVICE",
        help="namespace and Service of the ingress gateway (the one whose pods are labelled istio=ingressgateway)",
    )
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="the form of the output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what was found."""
    from meshtest.meshes.kubernetes.api import Api
    from meshtest.meshes.kubernetes.check.finding import ERROR
    from meshtest.meshes.kubernetes.check.preflight import check
    from meshtest.meshes.kubernetes.check.survey import Entrance
    from meshtest.meshes.kubernetes.check.table import table

    try:
        entrance = Entrance.of(options.gateway) if options.gateway is not None else None
    except ValueError as error:
        print(f"meshtest check: --gateway: {error}", file=sys.stderr)
        return 2
    found = check(Api(options.kube_context), options.namespaces, istio=options.istio_namespace, entrance=entrance)
    if options.output == "json":
        json.dump([each.as_json() for each in found], sys.stdout, indent=1)
        print()
    else:
        print("\n".join(table(found)))
    return int(any(each.severity == ERROR for each in found))
