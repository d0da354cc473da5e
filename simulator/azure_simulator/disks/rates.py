"""How often an exported disk may be asked: a page blob's 500 requests a second, then 503."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable

from azure_simulator.storage.wire import StorageError

#: Azure's target for a single page blob.
MOST_PER_SECOND = 500


class Rates:
    """The requests of the last second, for each disk; refused ones count as well."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._asked: defaultdict[str, deque[float]] = defaultdict(
            lambda: deque(maxlen=MOST_PER_SECOND)
        )

    def count(self, arm_id: str) -> None:
        """Count a request; raise StorageError where it is one too many."""
        asked, now = self._asked[arm_id.lower()], self._now()
        too_many = len(asked) == MOST_PER_SECOND and now - asked[0] < 1
        asked.append(now)
        if too_many:
            raise StorageError(503, "ServerBusy", "The server is busy.")
