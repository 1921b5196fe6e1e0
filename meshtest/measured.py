"""What a test itself knows of a failure: what it applied, its verdicts, what it measured for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshtest.evidence import Finding
from meshtest.redaction import redacted, redacted_yaml
from meshtest.resources.resource import Resource
from meshtest.traffic.sample import Sample

_ROWS = 20_000
"""Of a sample."""


def texts(given: Sequence[Resource], found: Iterable[tuple[Finding, Sample | None]]) -> dict[str, str]:
    """`resources.yaml`; and for each finding, by its number, the verdict, the requests as CSV, and what the first proxy logged."""
    out = {"resources.yaml": "---\n".join(map(_manifest, given))} if given else {}
    for number, (finding, sample) in enumerate(found, 1):
        out[f"verdict-{number}.txt"] = finding.message() + "\n"
        if sample is not None and len(sample):
            out[f"requests-{number}.csv"] = table(sample)
            if sample.causes is not None and (lines := [str(each) for each in sample.entries[:_ROWS]]):
                out[f"access-log-{number}.txt"] = redacted("\n".join(lines)) + "\n"
    return out


def written(resource: Resource) -> str:
    """A resource as its author wrote it; one that a test built, as YAML."""
    if resource.document.text:
        return resource.document.text
    import yaml

    return str(yaml.safe_dump(dict(resource.body), sort_keys=False))


def table(sample: Sample) -> str:
    """The requests of a sample as CSV, without secrets; of many the first."""
    return redacted(sample.to_csv(_ROWS))


def _manifest(resource: Resource) -> str:
    return f"# {resource.where()}\n{redacted_yaml(written(resource)).strip()}\n"
