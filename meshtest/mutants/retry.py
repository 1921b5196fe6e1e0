"""What is retried on."""

from __future__ import annotations

from collections.abc import Iterator

from meshtest.mutants.change import Change, put
from meshtest.mutants.site import Site
from meshtest.mutants.surroundings import Surroundings


def retry(site: Site, around: Surroundings) -> Iterator[Change]:
    """Each condition taken away; in the place of a single one another."""
    if site.field != "retryOn" or not isinstance(site.value, str):
        return
    conditions = site.value.split(",")
    for index in range(len(conditions)):
        left = [*conditions[:index], *conditions[index + 1 :]] or [_instead(conditions[0])]
        yield put(site.path, site.value, ",".join(left))


def _instead(condition: str) -> str:
    return "retriable-4xx" if condition != "retriable-4xx" else "5xx"
