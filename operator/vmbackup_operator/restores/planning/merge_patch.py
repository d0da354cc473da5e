"""JSON merge patches (RFC 7396) over Azure's bodies, and what they may not set."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import OWN_PREFIX
from vmbackup_operator.environments.bodies import Body, Json
from vmbackup_operator.restores.planning.rules import NOT_YOURS, RuleTree

#: The most that a patch takes as JSON, in bytes; a schema bounds no objects.
MOST_BYTES = 16_384


def patched(body: Body, patch: Body, tree: RuleTree, where: str) -> Body:
    """Return *body* with *patch* over it; PermanentError where it sets what is not its to set.

    *where* is the patch's place in the spec, for people.
    """
    if len(msgspec.json.encode(patch)) > MOST_BYTES:
        raise PermanentError(f"{where} has more than {MOST_BYTES} bytes", reason="PatchTooLarge")
    for path, why in _refused(patch, tree):
        raise PermanentError(
            f"{where} sets {path}, which it may not: {why}", reason="PatchNotAllowed"
        )
    return merge_objects(body, _spelled(patch, body))


def merge(target: Json, patch: Json) -> Json:
    """Return *target* with the JSON merge patch over it, as section 2 of RFC 7396 says."""
    if not isinstance(patch, dict):
        return patch
    return merge_objects(target if isinstance(target, dict) else {}, patch)


def merge_objects(target: Body, patch: Body) -> Body:
    """Return one object with the other as a merge patch over it."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def _refused(patch: Body, tree: RuleTree) -> Iterator[tuple[str, str]]:
    """Yield what the patch sets and may not, each with the reason."""
    yield from _refused_below(patch, tree, "")
    for name, tags in patch.items():
        if folded(name) == "tags" and isinstance(tags, dict):
            own = [tag for tag in tags if folded(tag).startswith(OWN_PREFIX)]
            yield from ((f"tags.{tag}", f"tags named {OWN_PREFIX}* are ours") for tag in own)


def _refused_below(value: Json, tree: RuleTree, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        pairs = [("[]", f"{path}[{index}]", item) for index, item in enumerate(value)]
    elif isinstance(value, dict):
        pairs = [(name, f"{path}.{name}" if path else name, each) for name, each in value.items()]
    else:
        return
    for name, here, inner in pairs:
        below = tree.at(name)
        if below is None:
            continue
        if below.rule is not None and below.rule.fate in NOT_YOURS:
            yield here, below.rule.why
        else:
            yield from _refused_below(inner, below, here)


def _spelled(patch: Body, body: Body) -> Body:
    """Return *patch* with names as *body* writes them: Azure reads them in any case."""
    spelling = {folded(name): name for name in body}
    spelled: Body = {}
    for name, value in patch.items():
        own = spelling.get(folded(name), name)
        below = body.get(own)
        inner = (
            _spelled(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
        )
        spelled[own] = inner
    return spelled
