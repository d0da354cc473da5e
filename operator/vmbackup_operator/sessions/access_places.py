"""Where the disk accesses are that a region's workers read and write through; pure.

Azure lets a disk access be used only by what lies in its own subscription. So a region has those of
the workers' subscription, in its own group, and others in each subscription that is backed up too,
in the group that the settings name there.
"""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import (
    ArmId,
    EnvironmentNames,
    arm_id,
    environment_names,
    name_of,
    same_id,
)
from vmbackup_operator.sessions.seen import Region
from vmbackup_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class AccessPlace:
    """The disk accesses for what lies in one subscription, of one region."""

    subscription_id: str
    resource_group: str
    names: EnvironmentNames

    def access(self, number: int) -> ArmId:
        """Return the id of the disk access *number*, counted from 0."""
        name = self.names.disk_access(number)
        group = self.resource_group
        return arm_id(self.subscription_id, group, "Microsoft.Compute/diskAccesses", name)

    def find(self, access: str) -> ArmId | None:
        """Return *access* as we write it, None where it is none of these."""
        digits = name_of(ArmId(access)).rsplit("-", 1)[-1]
        if not (digits.isascii() and digits.isdecimal()):
            return None
        ours = self.access(int(digits))
        return ours if same_id(ours, access) else None


def access_place(settings: Settings, region: Region, subscription_id: str) -> AccessPlace:
    """Return where the disk accesses are for what lies in the subscription."""
    group = region.resource_group
    if folded(subscription_id) != folded(region.subscription_id):
        subscription_id, group = settings.snapshot_group(subscription_id)
    names = environment_names(settings.appliance.id, subscription_id, region.region)
    return AccessPlace(subscription_id, group, names)
