"""Queues that were deleted a moment ago: Azure refuses whatever is asked of them meanwhile.

Azurite forgets a queue at once. In Azure its name is taken until it has been collected.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from azure_simulator.pace import Pace
from azure_simulator.storage.operations import Target
from azure_simulator.storage.wire import StorageError

#: "A queue with the same name cannot be created for at least 30 seconds"; it takes 40 as a rule.
DELETION_S = 40.0


class QueuesBeingDeleted:
    """Remembers them by account and name."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._until: dict[tuple[str, str], float] = {}

    def check(self, account: str, target: Target) -> None:
        """Raise where the request is for such a queue."""
        if self._until.get((account, target.container), 0.0) > time.monotonic():
            message = "The specified queue is being deleted."
            raise StorageError(409, "QueueBeingDeleted", message)

    def note(self, account: str, target: Target, headers: Mapping[str, str]) -> None:
        """Take over that Azurite deleted the queue, if that is what the request was answered."""
        deleted = target.operation.name == "DeleteQueue" and "x-ms-error-code" not in headers
        if deleted:
            until = time.monotonic() + self._pace.seconds(DELETION_S)
            self._until[account, target.container] = until
