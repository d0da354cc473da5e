"""ExportGranted: each snapshot can be read, by its SAS and over private endpoints only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import Export
from vmbackup_operator.naming import ArmId, arm_id, environment_names, name_of
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.findings import exported_ids, worker_region
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import Region, SecretUrl
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.closing import end_access


async def grant_export(ground: Ground, session: Session) -> Taken:
    """Have enough disk accesses, associate the snapshots with them, and access granted."""
    region = await ground.regions.recall(worker_region(session))
    if isinstance(region, Waiting):
        return Taken(session.status, region)
    if not session.status.exports:
        return await _allot(ground, session, region)
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
    if isinstance(granted, Taken):
        return granted
    return Taken(session.status, Done(f"granted: {counted(len(exports), 'export')}"))


async def grants_of(ground: Ground, session: Session) -> Mapping[ArmId, SecretUrl] | Taken:
    """Return each snapshot's SAS by its id, or what to write and wait for until there are all.

    A SAS lasts from its first grant: while it is open Azure gives out the same one, with its old
    end. So when one ends is written down before it is first asked for, and one that wears out is
    ended before it is asked for again.
    """
    worn = [each for each in session.status.exports if _is_worn(ground, each)]
    if worn:
        return await _renew(ground, session, worn)
    ids = [ArmId(each.snapshot_id) for each in session.status.exports]
    await asyncio.gather(*(_grant(ground, each) for each in ids if each not in ground.grants))
    if any(each not in ground.grants for each in ids):
        return Taken(session.status, Waiting(1, "access to the snapshots is being granted"))
    grants = {each: ground.grants[each] for each in ids}
    if any(_ends_soon(ground, url) for url in grants.values()):
        status = replace(session.status, exports=without_ends(session.status.exports))
        return Taken(status, Waiting(0, "access has to be granted anew"))
    return grants


def without_ends(exports: Sequence[Export]) -> tuple[Export, ...]:
    """Return *exports*, each worn: a SAS was refused, or ends sooner than recorded."""
    return tuple(replace(each, expires_at=None) for each in exports)


async def _grant(ground: Ground, snapshot: ArmId) -> None:
    ground.closed.discard(snapshot)
    url = await ground.snapshots.grant(snapshot, ground.pacing.credentials_s)
    if url is not None:
        ground.grants[snapshot] = url


async def _renew(ground: Ground, session: Session, worn: Sequence[Export]) -> Taken:
    """End the *worn* exports; once that is done, record when those that follow will end."""
    if not await end_access(ground, [ArmId(each.snapshot_id) for each in worn]):
        message = "access to the snapshots is being ended, to be granted anew"
        return Taken(session.status, Waiting(1, message))
    until = ground.credentials_until()
    exports = tuple(
        replace(each, expires_at=until) if each in worn else each for each in session.status.exports
    )
    status = replace(session.status, exports=exports)
    return Taken(status, Waiting(0, "access to the snapshots is being granted anew"))


def _is_worn(ground: Ground, export: Export) -> bool:
    return export.expires_at is None or ground.is_worn(export.expires_at)


def _ends_soon(ground: Ground, url: SecretUrl) -> bool:
    return url.expires_at is not None and ground.is_worn(url.expires_at)


async def _allot(ground: Ground, session: Session, region: Region) -> Taken:
    """Give each snapshot its disk access; the next look makes those that are not there yet."""
    appliance = ground.settings.appliance
    snapshots = exported_ids(appliance, session)
    others = await ground.snapshots.of_group(appliance.subscription_id, appliance.resource_group)
    # What is open already was granted by a run that nobody recorded: nobody knows when it ends.
    is_open = {folded(each.id) for each in others if each.exported}
    until = ground.credentials_until()
    ends = {each: None if folded(each) in is_open else until for each in snapshots}
    if not region.private:
        exports = tuple(Export(each, expires_at=ends[each]) for each in snapshots)
        return Taken(replace(session.status, exports=exports), Waiting(0, "exported publicly"))
    names = environment_names(appliance.id, region.subscription_id, region.region)

    def access_of(number: int) -> ArmId:
        return arm_id(
            region.subscription_id,
            region.resource_group,
            "Microsoft.Compute/diskAccesses",
            names.disk_access(number),
        )

    through = ground.allocator.share_exports(session, snapshots, access_of, others)
    exports = tuple(Export(each, through[each], ends[each]) for each in snapshots)
    used = {export.disk_access_id for export in exports}
    message = f"{len(exports)} exports through {len(used)} disk accesses"
    return Taken(replace(session.status, exports=exports), Waiting(0, message))


async def _disk_accesses_ready(ground: Ground, session: Session, region: Region) -> Waiting | None:
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
