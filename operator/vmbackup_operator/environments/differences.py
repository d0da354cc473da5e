"""Whether what exists has all that is wanted, and what to send where it has not.

Azure adds properties, writes ids, enumerations and regions in cases of its own, and reorders lists;
others add tags, address ranges and rules. None of that is a difference: what is wanted is the least
that must be there. What is not wanted by name is left as it is: a PUT replaces, so it carries what
exists along.
"""

from __future__ import annotations

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import has_tags, merged_tags
from vmbackup_operator.environments.bodies import Body, Json, named, text_at

# What Azure writes and nobody may: sent back it is noise, or refused as outdated (etag).
_READ_ONLY = frozenset({"id", "name", "type", "etag", "systemData", "provisioningState"})


def differing(desired: Body, existing: Body) -> Body | None:
    """Return the body to send so that *existing* becomes *desired*, or None where it is so."""
    if _covers(existing, desired, key=""):
        return None
    merged = _merged(existing, desired)
    kept: Body = {key: value for key, value in merged.items() if key not in _READ_ONLY}
    properties = kept.get("properties")
    if isinstance(properties, dict):
        kept["properties"] = {k: v for k, v in properties.items() if k not in _READ_ONLY}
    return kept


def same_text(one: str, other: str) -> bool:
    """Tell whether both mean one thing to Azure: case, and blanks as in "West Europe", aside."""
    return folded(one.replace(" ", "")) == folded(other.replace(" ", ""))


def _covers(existing: Json, desired: Json, key: str) -> bool:
    if isinstance(desired, dict):
        if not isinstance(existing, dict):
            return not desired
        if key == "tags":
            return has_tags(existing, _texts(desired))
        return all(_covers(existing.get(name), value, name) for name, value in desired.items())
    if isinstance(desired, list):
        return _covers_list(existing if isinstance(existing, list) else [], desired)
    if isinstance(desired, str) and isinstance(existing, str):
        return same_text(desired, existing)
    return existing == desired


def _covers_list(existing: list[Json], desired: list[Json]) -> bool:
    if desired and all(isinstance(item, dict) and "name" in item for item in desired):
        return all(_has_named(existing, item) for item in desired if isinstance(item, dict))
    return all(_holds(existing, item) for item in desired)


def _holds(existing: list[Json], wanted: Json) -> bool:
    return any(_covers(item, wanted, key="") for item in existing)


def _has_named(existing: list[Json], wanted: Body) -> bool:
    found = named([item for item in existing if isinstance(item, dict)], text_at(wanted, "name"))
    return found is not None and _covers(found, wanted, key="")


def _merged(existing: Body, desired: Body) -> Body:
    merged = dict(existing)
    for key, value in desired.items():
        current = existing.get(key)
        if key == "tags" and isinstance(value, dict):
            present = current if isinstance(current, dict) else {}
            merged[key] = {**merged_tags(present, _texts(value))}
        elif isinstance(value, dict) and isinstance(current, dict):
            merged[key] = _merged(current, value)
        elif isinstance(value, list) and isinstance(current, list):
            merged[key] = _merged_list(current, value)
        else:
            merged[key] = value
    return merged


def _merged_list(existing: list[Json], desired: list[Json]) -> list[Json]:
    wanted = [item for item in desired if isinstance(item, dict) and "name" in item]
    if len(wanted) != len(desired):
        return [*existing, *(item for item in desired if not _holds(existing, item))]
    others: list[Json] = []
    current: dict[str, Body] = {}
    for item in existing:
        if isinstance(item, dict) and named(wanted, text_at(item, "name")) is not None:
            current[folded(text_at(item, "name"))] = item
        else:
            others.append(item)
    ours: list[Json] = [_merged(current.get(folded(text_at(w, "name")), {}), w) for w in wanted]
    return others + ours


def _texts(tags: Body) -> dict[str, str]:
    return {name: value for name, value in tags.items() if isinstance(value, str)}
