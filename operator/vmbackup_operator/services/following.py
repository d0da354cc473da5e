"""Follows one of Azure's long-running operations to its end, with as few requests as that takes.

The SDK's own way asks at once, before Azure said that asking is worth while, and reads the resource
once more at the end, which most of our callers look at anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

from azure.core.exceptions import DecodeError, HttpResponseError
from azure.core.polling.base_polling import BadResponse, BadStatus, OperationFailed
from azure.mgmt.core.polling.arm_polling import AzureAsyncOperationPolling
from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling
from typing_extensions import override

from vmbackup_core.errors import TransientError
from vmbackup_operator.arm_ids import folded

_FAILED = frozenset({"failed", "canceled", "cancelled"})


@dataclass(frozen=True, slots=True)
class PollingPace:
    """When to ask after answers without Retry-After."""

    first_s: float = 1.0  # for what Azure makes at once
    later_s: float = 2.0  # for what takes longer


AZURES_PACE = PollingPace()


class Following(AsyncARMPolling):
    """Waits as Azure says, then asks.

    Where *shows* is False the end is the operation's own last answer, with what it has as
    ``properties.output``; where True, the resource or result behind it.

    An operation that can't be read (its URL has run out, is not understood, or is not ours to
    read) says nothing about what it does: that is a TransientError, and who meets it looks afresh.
    """

    def __init__(self, *, shows: bool, pace: PollingPace = AZURES_PACE) -> None:
        super().__init__(pace.first_s)
        self._shows = shows
        self._later_s = pace.later_s

    @override
    async def run(self) -> None:
        try:
            await self._poll()
        except OperationFailed as error:
            raise self._refused(error) from error
        except (BadStatus, BadResponse, DecodeError) as error:
            if isinstance(self._operation, AzureAsyncOperationPolling):
                raise TransientError(f"an operation can't be followed any more: {error}") from error
            # Behind a Location lies the very answer that the request would have had at once.
            raise self._refused(error) from error

    @override
    async def _poll(self) -> None:
        while not self.finished():
            await self._delay()
            await self.update_status()
            self._timeout = self._later_s
        if folded(str(self.status())) in _FAILED:
            raise OperationFailed("Operation failed or canceled")
        url = self._operation.get_final_get_url(self._pipeline_response) if self._shows else None
        if url:
            self._pipeline_response = await self.request_status(url)

    def _refused(self, error: Exception) -> HttpResponseError:
        return HttpResponseError(response=self._pipeline_response.http_response, error=error)
