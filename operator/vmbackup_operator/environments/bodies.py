"""REST bodies as Azure writes them: their type, and reading one value out of many."""

from __future__ import annotations

from typing import TypeAlias

from vmbackup_operator.arm_ids import folded

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

#: A JSON object in camelCase, as it goes to Azure Resource Manager and comes from it.
Body: TypeAlias = dict[str, Json]


def value_at(body: Body, *path: str) -> Json:
    """Return what lies at *path*, or None where Azure left it out."""
    found: Json = body
    for key in path:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def text_at(body: Body, *path: str) -> str:
    """Return the text at *path*, empty where there is none."""
    found = value_at(body, *path)
    return found if isinstance(found, str) else ""


def bodies_at(body: Body, *path: str) -> list[Body]:
    """Return the objects of the list at *path*."""
    found = value_at(body, *path)
    if not isinstance(found, list):
        return []
    return [item for item in found if isinstance(item, dict)]


def body_at(body: Body, *path: str) -> Body:
    """Return the object at *path*, empty where there is none."""
    found = value_at(body, *path)
    return found if isinstance(found, dict) else {}


def texts_at(body: Body, *path: str) -> tuple[str, ...]:
    """Return the texts of the list at *path*."""
    found = value_at(body, *path)
    if not isinstance(found, list):
        return ()
    return tuple(item for item in found if isinstance(item, str))


def named(items: list[Body], name: str) -> Body | None:
    """Return the object called *name*, in any case, or None."""
    return next((item for item in items if folded(text_at(item, "name")) == folded(name)), None)
