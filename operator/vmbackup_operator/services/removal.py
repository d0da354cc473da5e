"""Operations that end something: what is gone already counts as removed."""

from __future__ import annotations

from collections.abc import Awaitable

from azure.core.exceptions import HttpResponseError

from vmbackup_operator.services.arm import Poller
from vmbackup_operator.services.failures import translated

_NOT_FOUND = 404


async def gone(what: str, call: Awaitable[Poller]) -> bool:
    """Return True once the operation that *call* begins has ended."""
    with translated(what):
        try:
            poller = await call
            await poller.result()
        except HttpResponseError as error:
            if error.status_code != _NOT_FOUND:
                raise
    return True
