"""The command `meshtest`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from meshtest.errors import MeshtestError

if TYPE_CHECKING:
    from meshtest.meshes.local.mesh import LocalMesh
    from meshtest.meshes.protocol import Target
    from meshtest.resources.resource import Resource
    from meshtest.topology.topology import Topology
    from meshtest.translate.snapshot import Json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 (something is wrong), 2 (usage) or 3 (something is not implemented)."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except MeshtestError as error:
        return _report(error)
    except BrokenPipeError:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="meshtest", description="Proves what a service mesh's traffic policies do.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    config = commands.add_parser(
        "proxy-config", help="the Envoy configuration that these resources make, of every proxy"
    )
    config.add_argument("files", nargs="+", type=Path, metavar="FILE", help="Istio resources: a file, a folder or -")
    _add_topology(config)
    config.add_argument("--proxy", metavar="NAME", help="only the proxy of this workload")
    config.add_argument("-o", "--output", choices=["json"], default="json", help="the form of the output")
    config.set_defaults(run=_proxy_config)
    _add_explain(commands)
    analysis = commands.add_parser("analyze", help="what is wrong or dubious in resources, without traffic")
    analysis.add_argument("files", nargs="+", type=Path, metavar="FILE", help="resources: a file or a folder")
    _add_topology(analysis)
    analysis.add_argument("-o", "--output", choices=["text", "json"], default="text", help="the form of the output")
    analysis.add_argument(
        "-S",
        "--suppress",
        action="append",
        default=[],
        metavar="CODE[=RESOURCE]",
        help="findings that are not wanted, such as MT0101, or 'MT0101=VirtualService/reviews.default' (may be given several times)",
    )
    analysis.set_defaults(run=_analyze)
    up = commands.add_parser("up", help="a local mesh until Ctrl-C")
    up.add_argument("files", nargs="*", type=Path, metavar="FILE", help="Istio resources: a file, a folder or -")
    _add_topology(up)
    up.set_defaults(run=_up)
    return parser


def _add_explain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "explain",
        help="which rules a request takes and why, without sending it",
        description="Which listener, virtual host, rule (file and line) and cluster a request takes, "
        "why the rules before it do not match, and what is applied on the way.",
        epilog="Exit status: 0 if the request ends at an endpoint or is answered by a rule (a redirect, a fault, ...); "
        "1 if nothing takes it (no listener, no route, no endpoint, not allowed, ...) or a resource is wrong; "
        "2 for wrong usage; 3 if it cannot be told without sending the request, or a field is not implemented.",
    )
    parser.add_argument(
        "url", metavar="URL", help="http://, https://, tcp:// or tls:// and host, or a path for the ingress gateway"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="Istio resources: a file, a folder or -")
    parser.add_argument("-X", "--request", default="GET", metavar="METHOD", help="the method (GET)")
    parser.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="'NAME: VALUE'",
        help="a header (may be given several times)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="NAME",
        help="the workload that calls (else it comes from outside); a gateway: enter there",
    )
    _add_topology(parser)
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text", help="the form of the output")
    parser.set_defaults(run=_explain)


def _add_topology(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--topology",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="Kubernetes manifests of what exists (may be given several times; without it, Bookinfo)",
    )


def _report(error: MeshtestError) -> int:
    from meshtest.resources.problem import WrongResources

    if isinstance(error, WrongResources) and error.unsupported:
        for problem in error.problems:
            print(problem.refusal, file=sys.stderr)
        return 3
    print(error, file=sys.stderr)
    return 1


def _read(files: Sequence[Path], given: Sequence[Path], gateways: bool) -> tuple[Topology, list[Resource]]:
    from meshtest.resources.manifest import check, is_istio, read_files
    from meshtest.topology.default import default_topology

    found = read_files(files)
    topology = default_topology(given, [each for each in found if not is_istio(each)], gateways)
    return topology, check([each for each in found if is_istio(each)])


def _proxy_config(options: argparse.Namespace) -> int:
    from meshtest.translate.proxy_config import translate
    from meshtest.translate.snapshot import Proxy, Snapshot

    topology, resources = _read(options.files, options.topology, gateways=not options.topology)
    snapshot = Snapshot(topology, resources)
    proxies = {name: Proxy(instances[0]) for name, instances in topology.names.items()}
    if options.proxy is not None:
        proxies = {name: proxy for name, proxy in proxies.items() if name == options.proxy}
    if not proxies:
        known = ", ".join(topology.names) or "none"
        print(
            f"there is no proxy {options.proxy!r}; there are: {known}"
            if options.proxy
            else "the topology has no workload",
            file=sys.stderr,
        )
        return 1
    before = Snapshot(topology, ())
    out: dict[str, Json] = {
        name: translate(snapshot, proxy).as_json(translate(before, proxy)) for name, proxy in proxies.items()
    }
    json.dump(out, sys.stdout, indent=1)
    print()
    return 0


def _explain(options: argparse.Namespace) -> int:
    from meshtest.explain.call import call, header
    from meshtest.explain.journey import explain
    from meshtest.explain.text import as_json, lines
    from meshtest.resources.schema import nearest
    from meshtest.translate.snapshot import Proxy, Snapshot

    try:
        asked = call(options.url, options.request, [header(each) for each in options.header])
        topology, resources = _read(options.files, options.topology, gateways=True)
        source = None
        if options.source is not None:
            if options.source not in topology.names:
                known = ", ".join(topology.names)
                near = nearest(options.source, topology.names)
                raise ValueError(f"there is no workload {options.source!r}{near}; there are {known}")
            source = Proxy(topology.names[options.source][0])
        found = explain(Snapshot(topology, resources), asked, source)
    except ValueError as error:
        print(f"meshtest explain: {error}", file=sys.stderr)
        return 2
    if options.output == "json":
        json.dump(as_json(found), sys.stdout, indent=1)
        print()
    else:
        print("\n".join(lines(found)))
    return {True: 0, False: 1, None: 3}[found.taken]


def _analyze(options: argparse.Namespace) -> int:
    from meshtest.analysis.finding import INFO
    from meshtest.analysis.reading import findings
    from meshtest.analysis.suppression import suppression, wanted

    try:
        suppressed = [suppression(each) for text in options.suppress for each in text.split(",")]
    except ValueError as error:
        print(f"meshtest analyze: --suppress: {error}", file=sys.stderr)
        return 2
    found = wanted(findings(options.files, options.topology), suppressed)
    if options.output == "json":
        json.dump([each.as_json() for each in found], sys.stdout, indent=1)
        print()
    else:
        for each in found:
            print(each)
    return int(any(each.severity != INFO for each in found))


def _up(options: argparse.Namespace) -> int:
    from meshtest.meshes.local.mesh import LocalMesh

    topology, resources = _read(options.files, options.topology, gateways=True)
    mesh = LocalMesh(topology)
    try:
        mesh.wait_ready()
        mesh.put({resource.key: resource for resource in resources})
        for line in _welcome(mesh):
            print(line, flush=True)
        while True:
            mesh.check()
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        mesh.close()


def _welcome(mesh: LocalMesh) -> Iterator[str]:
    entrances = mesh.entrances()
    if not entrances:
        yield "nothing listens at the ingress gateway: no Gateway was given with a server that leads anywhere"
    for url, target in sorted(entrances.items(), key=lambda pair: not pair[0].startswith("http:")):
        yield f"ingress gateway  {_entered(mesh, url, target)}"
    yield f"workloads        {', '.join(mesh.workloads())}"
    yield "Ctrl-C ends it"


def _entered(mesh: LocalMesh, url: str, target: Target) -> str:
    """How to reach a server from a shell."""
    address = f"{target.address[0]}:{target.address[1]}"
    scheme, _, authority = url.partition("://")
    host, _, port = authority.rpartition(":")
    if scheme == "http":
        return f"http://{address}" + (f"   (send Host: {host})" if host != "ingress" else "")
    if scheme == "https":
        asked = f"https://{host}" if port == "443" else url
        return f"{asked}   (curl --connect-to ::{address} --cacert {mesh.trusted_file} {asked}/)"
    return f"{url} at {address}"
