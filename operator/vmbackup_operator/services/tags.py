"""Azure's tags: their names compare without case, and whoever rewrites them may change it."""

from __future__ import annotations

from collections.abc import Mapping

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, Json


def tag_of(body: Body, name: str) -> str:
    """Return the value of the tag called *name*, in any case, empty where there is none."""
    return tags_of(body).get(folded(name), "")


def tags_of(body: Body) -> Mapping[str, str]:
    """Return the resource's tags by their names in lower case, which is how ours are called."""
    tags: Json = body.get("tags")
    if not isinstance(tags, dict):
        return {}
    return {folded(name): value for name, value in tags.items() if isinstance(value, str)}
