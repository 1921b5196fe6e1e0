"""CORS policies (`TranslateCORSPolicy` in `route/route.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meshtest.translate.route_match import string_match

Json = dict[str, Any]

_LISTS = {"allowMethods": "allow_methods", "allowHeaders": "allow_headers", "exposeHeaders": "expose_headers"}


def cors(given: Mapping[str, Any]) -> Json:
    """Envoy's CorsPolicy; preflights that match no origin go upstream unless `unmatchedPreflights` says IGNORE."""
    out: Json = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "filter_enabled": {"default_value": {"numerator": 100}},
        "forward_not_matching_preflights": given.get("unmatchedPreflights") != "IGNORE",
    }
    if given.get("allowOrigins"):
        out["allow_origin_string_match"] = [string_match(each) for each in given["allowOrigins"]]
    elif given.get("allowOrigin"):
        out["allow_origin_string_match"] = [{"exact": each} for each in given["allowOrigin"]]
    out |= {envoy: ",".join(given[field]) for field, envoy in _LISTS.items() if given.get(field)}
    if "allowCredentials" in given:
        out["allow_credentials"] = given["allowCredentials"]
    if "maxAge" in given:
        out["max_age"] = str(int(float(given["maxAge"][:-1])))
    return out
