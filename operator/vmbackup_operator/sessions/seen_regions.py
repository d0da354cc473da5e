"""Regions as last seen: looked at when a session begins there, remembered for its steps.

Where Azure can't be asked, or the region is in trouble, what was seen last is still true: its ids
and addresses hardly ever change, and whoever hears workers or ends access needs no more of it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.region_ports import Regions
from vmbackup_operator.sessions.seen import Region
from vmbackup_operator.settings import Appliance

#: For as long as this, steps behind EnvironmentReady take a region for what it was.
REMEMBERED_S = 300.0


class SeenRegions:
    """The regions of the appliance's own subscription, which is where its workers run."""

    def __init__(self, appliance: Appliance, regions: Regions, clock: Clock) -> None:
        self._appliance = appliance
        self._regions = regions
        self._clock = clock
        self._seen: dict[str, tuple[float, Region]] = {}

    async def ensure(
        self,
        region: str,
        repository_accounts: Collection[ArmId],
        not_before: datetime | None = None,
    ) -> Region | Waiting:
        """Look at the region in Azure and take it a step towards readiness.

        What was seen before *not_before* is no look.
        """
        found = await self._regions.ensure(
            self._appliance.subscription_id, region, repository_accounts, not_before
        )
        if isinstance(found, Region):
            self._seen[folded(region)] = (self._clock.monotonic_s(), found)
        return found

    async def recall(self, region: str) -> Region | Waiting:
        """Look at the region unless it was seen lately; else, or in trouble, as it was then."""
        at, seen = self._seen.get(folded(region), (0.0, None))
        if seen is not None and self._clock.monotonic_s() - at < REMEMBERED_S:
            return seen
        try:
            found = await self.ensure(region, ())
        except (PermanentError, TransientError):
            if seen is None:
                raise
            return seen
        return seen if isinstance(found, Waiting) and seen is not None else found

    async def exports_refused(self, region: str) -> str:
        """Say why data of other subscriptions may not be exported there, empty where it may."""
        return await self._regions.exports_refused(region)

    async def worker_size(self, region: str) -> str:
        """Return the VM size of the workers there, whether the region is ready or not."""
        return await self._regions.worker_size(region)

    async def ensure_home(self, repository_accounts: Collection[ArmId]) -> Region | Waiting:
        """Look at the home region, where the queues are."""
        return await self.ensure(self._appliance.region, repository_accounts)

    async def recall_home(self) -> Region | Waiting:
        """Return the home region as it was seen lately, else look."""
        return await self.recall(self._appliance.region)
