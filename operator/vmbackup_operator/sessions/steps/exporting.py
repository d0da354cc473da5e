"""ExportGranted: each snapshot can be read, by its SAS and over private endpoints only."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import Export
from vmbackup_operator.naming import ArmId, arm_id, environment_names, name_of
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import machine_of, snapshot_ids
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import RegionSeen
from vmbackup_operator.sessions.step import Taken


async def grant_export(ground: Ground, session: Session) -> Taken:
    """Have enough disk accesses, associate the snapshots with them, and access granted."""
    region = await ground.places.recall(machine_of(session).region)
    if isinstance(region, Waiting):
        return Taken(session.status, region)
    if not session.status.exports:
        return await _allotted(ground, session, region)
    exports = session.status.exports
    waiting = await _disk_accesses_ready(ground, session, region)
    if waiting is not None:
        return Taken(session.status, waiting)
    associated = await asyncio.gather(
        *(ground.snapshots.associate(ArmId(each.snapshot_id), _through(each)) for each in exports)
    )
    if not all(associated):
        return Taken(session.status, Waiting(1, "the snapshots are being associated"))
    granted = await grants_of(ground, session)
    if granted is None:
        return Taken(session.status, Waiting(1, "access to the snapshots is being granted"))
    return Taken(session.status, Done(f"granted: {counted(len(exports), 'export')}"))


async def grants_of(ground: Ground, session: Session) -> dict[str, str] | None:
    """Return each snapshot's SAS by its id, or None while Azure makes one; asked for once."""
    wanted = [
        ArmId(each.snapshot_id)
        for each in session.status.exports
        if each.snapshot_id not in ground.grants
        or ground.is_worn(ground.grants[ArmId(each.snapshot_id)].expires_at)
    ]
    duration_s = ground.pacing.credentials_s
    made = await asyncio.gather(*(ground.snapshots.grant(each, duration_s) for each in wanted))
    for snapshot, url in zip(wanted, made, strict=True):
        if url is not None and not ground.is_worn(url.expires_at):
            ground.grants[snapshot] = url
        elif url is not None:
            # Azure hands the old one out again until it is ended; the worker waits meanwhile.
            await ground.snapshots.revoke(snapshot)
            ground.grants.pop(snapshot, None)
    if any(ArmId(each.snapshot_id) not in ground.grants for each in session.status.exports):
        return None
    return {
        each.snapshot_id: ground.grants[ArmId(each.snapshot_id)].value
        for each in session.status.exports
    }


async def _allotted(ground: Ground, session: Session, region: RegionSeen) -> Taken:
    """Give each snapshot its disk access; the next look makes those that are not there yet."""
    snapshots = list(snapshot_ids(ground.settings.appliance, session))
    if not region.private:
        exports = tuple(Export(snapshot) for snapshot in snapshots)
        return Taken(replace(session.status, exports=exports), Waiting(0, "exported publicly"))
    appliance = ground.settings.appliance
    others = await ground.snapshots.of_group(appliance.subscription_id, appliance.resource_group)
    names = environment_names(appliance.id, region.subscription_id, region.region)

    def access_of(number: int) -> ArmId:
        return arm_id(
            region.subscription_id,
            region.resource_group,
            "Microsoft.Compute/diskAccesses",
            names.disk_access(number),
        )

    through = ground.allocator.share_exports(session, snapshots, access_of, others)
    exports = tuple(Export(each, through[each]) for each in snapshots)
    used = {export.disk_access_id for export in exports}
    message = f"{len(exports)} exports through {len(used)} disk accesses"
    return Taken(replace(session.status, exports=exports), Waiting(0, message))


async def _disk_accesses_ready(
    ground: Ground, session: Session, region: RegionSeen
) -> Waiting | None:
    """Have every disk access that the session was allotted made, with its way in."""
    owed = {export.disk_access_id for export in session.status.exports if export.disk_access_id}
    for access in sorted(owed):
        seen = await ground.disk_accesses.ensure(region, _number(ArmId(access)))
        if not seen.ready:
            message = f"disk access {name_of(ArmId(access))} is being made"
            return Waiting(ground.pacing.look_again_s, message)
    return None


def _through(export: Export) -> ArmId | None:
    return None if export.disk_access_id is None else ArmId(export.disk_access_id)


def _number(access: ArmId) -> int:
    digits = name_of(access).rsplit("-", 1)[-1]
    if not digits.isdecimal():
        raise PermanentError(f"{access} is no disk access of ours", reason="ForeignDiskAccess")
    return int(digits)
