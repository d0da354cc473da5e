"""Azure's tags: their names compare without case, and what others put there stays.

A company's policy may write a tag's name in another case, add tags of its own, or set the value of
a tag that we were told to put there. None of that is a difference; only tags that are ours by their
name are put right.
"""

from __future__ import annotations

from collections.abc import Mapping

from vmbackup_operator.arm_ids import folded

#: Names that begin so belong to the appliance; nobody else is to write them.
OWN_PREFIX = "vmbackup-"


def tag_value(tags: Mapping[str, object], name: str) -> str | None:
    """Return the value of the tag called *name*, in whatever case it is written, or None."""
    plain = tags.get(name)
    if isinstance(plain, str):
        return plain  # as Azure keeps it nearly always: long lists are gone through by the second
    wanted = folded(name)
    found = (value for key, value in tags.items() if folded(key) == wanted)
    return next((value for value in found if isinstance(value, str)), None)


def folded_tags(tags: Mapping[str, object]) -> dict[str, str]:
    """Return *tags* by their names in small letters, which is how ours are called."""
    return {folded(name): value for name, value in tags.items() if isinstance(value, str)}


def has_tags(existing: Mapping[str, object], wanted: Mapping[str, str]) -> bool:
    """Tell whether *existing* holds *wanted*: our own with their values, others by their name."""
    for name, value in wanted.items():
        found = tag_value(existing, name)
        if found is None or (_is_own(name) and found != value):
            return False
    return True


def merged_tags(existing: Mapping[str, object], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return *existing* with what `has_tags` finds missing, each name as it is written there."""
    merged = {name: value for name, value in existing.items() if isinstance(value, str)}
    spelled = {folded(name): name for name in merged}
    for name, value in wanted.items():
        present = spelled.get(folded(name))
        if present is None or _is_own(name):
            merged[present or name] = value
    return merged


def joined_tags(*layers: Mapping[str, str]) -> dict[str, str]:
    """Return all of *layers*, a later one's value where two say the same name in any case."""
    joined: dict[str, tuple[str, str]] = {}
    for layer in layers:
        joined |= {folded(name): (name, value) for name, value in layer.items()}
    return dict(joined.values())


def _is_own(name: str) -> bool:
    return folded(name).startswith(OWN_PREFIX)
