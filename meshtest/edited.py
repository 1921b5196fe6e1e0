"""The resources that a test has applied, with the edits of a control. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from meshtest.judging.control import RULE, Edit
from meshtest.meshes.protocol import Rule
from meshtest.resources.edit import At, Change, with_spec
from meshtest.resources.manifest import check
from meshtest.resources.resource import Resource
from meshtest.translate.host import matches, resolved

Key = tuple[str, str, str, str]
_POLICY = "DestinationRule"


def edited(applied: Mapping[Key, Resource], rule: Rule | None, edits: Iterable[Edit]) -> dict[Key, Resource]:
    """All resources, edited. ValueError if an edit's part is not among them: then the control says nothing.

    What is edited is read again, as if a person had written it: an edit may say `500ms`. WrongResources if it is not understood.
    """
    out = dict(applied)
    changed: dict[Key, None] = {}
    for edit in edits:
        found = list(_meant(out, rule, edit))
        if not found:
            raise ValueError(_nothing(edit.part))
        for key, change in found:
            out[key] = with_spec(out[key], change)
            changed[key] = None
    return out | dict(zip(changed, check([out[key] for key in changed]), strict=True))


def _nothing(part: str) -> str:
    if part == RULE:
        return "no VirtualService decides this request, so that the control has no rule to change"
    return f"the control changes a {part}, and the test has applied none that concerns this request"


def _meant(applied: Mapping[Key, Resource], rule: Rule | None, edit: Edit) -> Iterator[tuple[Key, Change]]:
    for key, resource in applied.items():
        if edit.part == RULE:
            if rule is not None and str(resource) == rule.resource:
                yield key, At((rule.section, rule.number), edit.change)
        elif resource.kind == edit.part and (edit.part != _POLICY or _is_for(resource, rule)):
            yield key, edit.change


def _is_for(policy: Resource, rule: Rule | None) -> bool:
    """Whether a DestinationRule is for a destination of the rule; for any where no rule decides."""
    host = resolved(str(policy.spec.get("host", "")), policy.namespace)
    return rule is None or any(matches(host, each.host) for each in rule.destinations)
