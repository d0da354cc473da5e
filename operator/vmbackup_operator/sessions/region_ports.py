"""What the session's steps need of regions: their environments, and the disk accesses there.

The contract of `ports` holds here, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.seen import DiskAccessSeen, Region


class Regions(Protocol):
    """Region environments, made where they are missing."""

    async def ensure(
        self,
        subscription_id: str,
        region: str,
        repository_accounts: Collection[ArmId],
        not_before: datetime | None = None,
    ) -> Region | Waiting:
        """Look at Azure, take the next step towards readiness, and return the region once it is.

        Ready means: its own resources, its workers' ways to the home queue and to
        *repository_accounts*, and the appliance's ways to its account. For the home region the
        appliance's ways to *repository_accounts* too. It never waits for disk accesses. What
        somebody else saw within the last minute serves, unless that was before *not_before*.
        """

    async def exports_refused(self, region: str) -> str:
        """Say why data of other subscriptions may not be exported to the appliance's workers there.

        Empty where it may. It is the administrator's word: nothing is made, nor asked of Azure.
        """

    async def worker_size(self, region: str) -> str:
        """Return the VM size of the appliance's workers there, by the administrator's word too."""


class DiskAccesses(Protocol):
    """Disk access resources: the private way to a snapshot's data, five exports at once on each."""

    async def of_region(self, region: Region) -> Sequence[DiskAccessSeen]:
        """Return ours in the region, in order of name."""

    async def ensure(self, region: Region, access: ArmId) -> DiskAccessSeen:
        """Have the disk access made, with its private endpoint (``disks``), for the region.

        Where it is and how it is called, `AccessPlace` tells. One in another subscription has its
        endpoint in a network there, which is peered with the workers'. `ready` is False until all
        of it stands.
        """
