"""Data of another subscription: whether it may be exported to a region's workers, and can be.

Both are known before anything is made of a VM. What only Azure can tell, whether our identity may
make a disk access there and open a way to it, is found out by doing it: it is owed anyway.
"""

from __future__ import annotations

from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.reconciling.other_subscriptions import (
    REFUSED,
    export_refused,
    is_elsewhere,
    subscription_refused,
)
from vmbackup_operator.reconciling.outcome import Failed, Waiting
from vmbackup_operator.sessions.access_places import access_place
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.reconciler import MENDED_BY_HAND
from vmbackup_operator.sessions.steps.exporting import disk_accesses_ready


async def crossing_refused(ground: Ground, named: ArmId, region: str) -> Failed | None:
    """Return why data of *named* does not cross to workers of the region, None where it may.

    Nothing is made for it, nor asked of Azure.
    """
    refused = subscription_refused(ground.settings, named)
    if refused is not None or not is_elsewhere(ground.settings, named):
        return refused
    why = await ground.regions.exports_refused(region)
    if not why:
        return None
    return export_refused(named, why)


async def open_way_across(
    ground: Ground, vm_id: ArmId, region: str, account: ArmId
) -> Failed | Waiting | None:
    """Have the first disk access beside a VM of another subscription made, with its way in.

    None once it stands, and for a VM of the appliance's subscription; Failed where the identity may
    not. *account* is the repository's, which the region's workers have to reach, too.
    """
    refused = await crossing_refused(ground, vm_id, region)
    if refused is not None or not is_elsewhere(ground.settings, vm_id):
        return refused
    environment = await ground.regions.ensure(region, {account})
    if isinstance(environment, Waiting):
        return environment
    access = access_place(ground.settings, environment, subscription_of(vm_id)).access(0)
    try:
        return await disk_accesses_ready(ground, environment, {access})
    except LostAttempt:
        raise
    except PermanentError as error:
        if error.reason in MENDED_BY_HAND:
            raise
        message = f"there is no way to the data of {vm_id}: {error.reason}: {error}"
        return Failed(REFUSED, message)
