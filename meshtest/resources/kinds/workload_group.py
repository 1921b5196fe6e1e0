"""What a WorkloadGroup may say, after Istio's CRD and its validation (`pkg/config/validation/validation.go`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshtest.resources import name
from meshtest.resources.document import Path
from meshtest.resources.kinds.workload_entry import TEMPLATE
from meshtest.resources.schema import COUNT, PORT, TEXT, Enum, ListOf, MapOf, Message, Report, Text, Type

_PROBES = ("httpGet", "tcpSocket", "exec")
_HEADER = re.compile("[-A-Za-z0-9]+")


def _header(text: str) -> str | None:
    return None if _HEADER.fullmatch(text) else f"must be letters, digits and `-`; this is {text!r}"


def _one_probe(spec: Mapping[str, Any], path: Path, report: Report) -> None:
    if "grpc" in spec:
        report((*path, "grpc"), f"istiod does not accept a probe by gRPC: use one of {', '.join(_PROBES)}")
    elif not spec.keys() & set(_PROBES):
        report(path, f"must say how to probe: one of {', '.join(_PROBES)}")


PROBE = Message(
    {
        "initialDelaySeconds": COUNT,
        "timeoutSeconds": COUNT,
        "periodSeconds": COUNT,
        "successThreshold": COUNT,
        "failureThreshold": COUNT,
        "httpGet": Message(
            {
                "path": TEXT,
                "port": PORT,
                "host": TEXT,
                "scheme": Enum(("HTTP", "HTTPS", "")),
                "httpHeaders": ListOf(Message({"name": Text(_header), "value": TEXT}, required=("name",))),
            },
            required=("port",),
        ),
        "tcpSocket": Message({"host": TEXT, "port": PORT}, required=("port",)),
        "exec": Message(
            {"command": ListOf(Text(lambda text: None if text else "must not be empty"), least=1)},
            required=("command",),
        ),
        "grpc": Message({"port": PORT, "service": TEXT}),
    },
    one_of=((*_PROBES, "grpc"),),
    rules=(_one_probe,),
    form="{httpGet: {port: 8080}}",
)

WORKLOAD_GROUP: Type = Message(
    {
        "metadata": Message(
            {
                "labels": MapOf(Text(name.label_value), name.label_key, most=256),
                "annotations": MapOf(TEXT, most=256),
            }
        ),
        "template": TEMPLATE,
        "probe": PROBE,
    },
    required=("template",),
)
