"""Status codes of HTTP."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.mutants.change import Change, put
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings
from meshtest.resources.kinds.redirect import REDIRECT_CODES

_FIELDS = ("status", "httpStatus", "outlierDetectionHttpErrorCodes", "redirectCode")


def is_status(site: Site) -> bool:
    """Whether a number is a status code."""
    return site.field in _FIELDS and isinstance(site.value, int) and not isinstance(site.value, bool)


def status(site: Site, around: Surroundings) -> Iterator[Change]:
    """Another status of the same class, and one of another class; of redirects each other code."""
    if not is_status(site):
        return
    code = site.value
    if site.field == "redirectCode":
        news = [each for each in REDIRECT_CODES if each != code]
    else:
        news = [code - 1 if code % 100 == 99 else code + 1, code - 100 if code >= 500 else code + 100]
    yield from (put(site.path, code, new) for new in news)
