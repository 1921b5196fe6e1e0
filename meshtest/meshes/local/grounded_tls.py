"""TLS settings with what a proxy would be sent as secrets. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtest.meshes.local.grounds import Grounds

Json = dict[str, Any]


def secured(socket: Json, hosts: Sequence[str], grounds: Grounds) -> Json:
    """A transport socket with its certificates in place; `hosts` are those that a server stands for, none for a client."""
    context = socket["typed_config"]
    common = dict(context["common_tls_context"])
    if secrets := common.pop("tls_certificate_sds_secret_configs", None):
        common["tls_certificates"] = [_certificate(each["name"], hosts, grounds) for each in secrets]
    if combined := common.pop("combined_validation_context", None):
        secret = combined["validation_context_sds_secret_config"]["name"]
        trusted = {"trusted_ca": {"inline_string": grounds.vault.root(secret, grounds.site.instance)}}
        common["validation_context"] = {**combined["default_validation_context"], **trusted}
    return {**socket, "typed_config": {**context, "common_tls_context": common}}


def _certificate(secret: str, hosts: Sequence[str], grounds: Grounds) -> Json:
    chain, key = grounds.vault.pair(secret, grounds.site.instance, hosts)
    return {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
