"""Moments as people read them: how long ago, how soon."""

from __future__ import annotations

from datetime import datetime

from vmbackup_operator.model.display import span


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago *moment* was, ``never`` where it was not."""
    return "never" if moment is None else span(now - moment)


def age(moment: datetime | None, now: datetime) -> str:
    """Return how old that is, as kubectl's AGE; empty where nobody knows."""
    return "" if moment is None else span(now - moment)


def soon(moment: datetime | None, now: datetime) -> str:
    """Return how soon *moment* is; empty where there is none."""
    if moment is None:
        return ""
    return f"in {span(moment - now)}" if moment > now else "now"


def minute(moment: datetime | None) -> str:
    """Return *moment* by the minute, in UTC; empty where there is none."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}Z"
