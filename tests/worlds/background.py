"""What goes on in the background of a test."""

from __future__ import annotations

import asyncio


async def all_has_ended() -> None:
    """Return when nothing that was begun is under way."""
    while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - whoever began it does not say
        await asyncio.sleep(0.001)
