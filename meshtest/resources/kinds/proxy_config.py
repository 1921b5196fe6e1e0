"""What a ProxyConfig may say, after Istio's CRD."""

from __future__ import annotations

from meshtest.resources.kinds.policy_target import SELECTOR
from meshtest.resources.schema import COUNT, TEXT, MapOf, Message, Text, Type

PROXY_CONFIG: Type = Message(
    {
        "selector": SELECTOR,
        "concurrency": COUNT,
        "environmentVariables": MapOf(Text(most=2048)),
        "image": Message({"imageType": TEXT}),
    },
    nullable=("concurrency",),
)
