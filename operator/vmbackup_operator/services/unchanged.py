"""What has Azure refuse a change of what somebody else has changed meanwhile."""

from __future__ import annotations

from azure.core import MatchConditions
from typing_extensions import TypedDict


class Condition(TypedDict, total=False):
    """Arguments of the SDK's calls."""

    etag: str
    match_condition: MatchConditions


def unless(etag: str) -> Condition:
    """Return what has Azure refuse a change of what is not as it was under *etag* any more (412).

    Nothing where Azure told none: versions before 2024-03-01 have none.
    """
    if not etag:
        return {}
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}
