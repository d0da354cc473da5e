"""ExportGranted: each snapshot can be read, by its SAS and over private endpoints only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import timedelta

from msgspec.structs import replace

from vmbackup_core.errors import PermanentError, RefusedForNow
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.display import counted
from vmbackup_operator.model.session import AnySession, Session, SessionStatus
from vmbackup_operator.model.session_findings import Export
from vmbackup_operator.naming import ArmId, name_of, subscription_of
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.sessions.access_places import AccessPlace, access_place
from vmbackup_operator.sessions.findings import exported_ids, worker_region
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import Region, SecretUrl, SnapshotSeen
from vmbackup_operator.sessions.sharing import ExportsWanted
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.steps.closing import end_access, exports_of_others

#: How soon a disk access that is being made is looked at again: it, its endpoint and that one's
#: record are made one after the other, and a look itself waits a moment for what it has asked for.
MAKING_AGAIN_S = 1.0

#: How long a disk access that refused an export gets no other one.
FULL_FOR = timedelta(minutes=10)
#: How many of a region may have refused: a refusal that follows one everywhere has another cause.
_MOST_FULL = 3
#: Refusals that another disk access would answer with as well.
EVERYWHERE = frozenset({"NotAuthorized", "NotFound"})

#: The reason of a wait that has none but Azure's own time.
_IN_PROGRESS = Waiting(0, "").reason

#: Returns the status of a session without the snapshots that are gone; None where all are there.
WithoutLost = Callable[[Ground, AnySession], Awaitable[SessionStatus | None]]


async def grant_export(ground: Ground, session: Session) -> Taken:
    """Have enough disk accesses, associate the snapshots with them, and access granted."""
    region = await ground.regions.recall(worker_region(session))
    if isinstance(region, Waiting):
        return Taken(session.status, region)
    if not session.status.exports:
        return await _allot(ground, session, region)
    exports = session.status.exports
    waiting = await _ways_ready(ground, region, exports)
    if waiting is not None:
        return Taken(session.status, waiting)
    granted = await _granted(ground, session)
    if isinstance(granted, Taken):
        return granted
    return Taken(session.status, Done(f"granted: {counted(len(exports), 'export')}"))


async def grant_what_is_there(
    ground: Ground, session: AnySession, without_lost: WithoutLost[AnySession], gone: str
) -> Taken:
    """Do so, and go on without snapshots that are gone meanwhile: *gone* says so."""
    status = await without_lost(ground, session)
    if status is not None:
        return Taken(status, Waiting(0, gone))
    try:
        return await grant_export(ground, session)
    except PermanentError:
        # Deleted between the two looks: then it is that, and nothing that anybody refuses.
        status = await without_lost(ground, session)
        if status is None:
            raise
    return Taken(status, Waiting(0, gone))


async def grants_of(ground: Ground, session: Session) -> Mapping[ArmId, SecretUrl] | Taken:
    """Return each snapshot's SAS by its id, or what to write and wait for until there are all.

    A SAS lasts from its first grant: while it is open Azure gives out the same one, with its old
    end. So when one ends is written down before it is first asked for, and one that wears out is
    ended before it is asked for again.
    """
    owed = [each for each in session.status.exports if ArmId(each.snapshot_id) not in ground.grants]
    if owed:
        region = await ground.regions.recall(worker_region(session))
        if isinstance(region, Waiting):
            return Taken(session.status, region)
        waiting = await _ways_ready(ground, region, owed)
        if waiting is not None:
            return Taken(session.status, waiting)
    return await _granted(ground, session)


async def _granted(ground: Ground, session: Session) -> Mapping[ArmId, SecretUrl] | Taken:
    """Return each snapshot's SAS as `grants_of` does, of snapshots that are associated."""
    worn = [each for each in session.status.exports if _is_worn(ground, each)]
    if worn:
        return _adopt(ground, session, worn) or await _renew(ground, session, worn)
    owed = [each for each in session.status.exports if ArmId(each.snapshot_id) not in ground.grants]
    refused = [
        (each, error)
        for each, error in zip(
            owed, await asyncio.gather(*(_grant(ground, each) for each in owed)), strict=True
        )
        if error is not None
    ]
    if refused:
        return await _move(ground, session, refused)
    ids = [ArmId(each.snapshot_id) for each in session.status.exports]
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


async def _grant(ground: Ground, export: Export) -> RefusedForNow | None:
    """Ask for access to the snapshot; returned is a refusal that another way in may not give."""
    snapshot = ArmId(export.snapshot_id)
    ground.closed.discard(snapshot)
    try:
        url = await ground.snapshots.grant(snapshot, ground.pacing.credentials_s)
    except RefusedForNow as error:
        if export.disk_access_id is None or error.reason in EVERYWHERE:
            raise
        return error
    if url is not None:
        ground.grants[snapshot] = url
    return None


async def _move(
    ground: Ground, session: Session, refused: Sequence[tuple[Export, RefusedForNow]]
) -> Taken:
    """Let go of the disk accesses that *refused* the exports, and allot others to these.

    Azure says the same of one that is full, whoever filled it, and of a few other things. So where
    several of a region have refused already, the refusal stands and is retried as any other.
    """
    region = await ground.regions.recall(worker_region(session))
    if isinstance(region, Waiting):
        return Taken(session.status, region)
    for export, _ in refused:
        ground.full[folded(export.disk_access_id or "")] = ground.clock.now() + FULL_FOR
    full = _full(ground)
    moving = [ArmId(export.snapshot_id) for export, _ in refused]
    place = _place_of(ground, region, moving)
    if len([each for each in full if place.find(each)]) > _MOST_FULL:
        raise refused[0][1]
    through = await share_out(ground, session, region, moving)
    exports = tuple(
        replace(each, disk_access_id=through.get(ArmId(each.snapshot_id), each.disk_access_id))
        for each in session.status.exports
    )
    names = sorted({name_of(ArmId(export.disk_access_id or "")) for export, _ in refused})
    message = f"{', '.join(names)} refused: {counted(len(moving), 'export')} through another one"
    return Taken(replace(session.status, exports=exports), Waiting(0, message))


def _full(ground: Ground) -> frozenset[str]:
    """Return the disk accesses, in lower case, that refused an export a short while ago."""
    now = ground.clock.now()
    for access in [each for each, until in ground.full.items() if until <= now]:
        del ground.full[access]
    return frozenset(ground.full)


def _place_of(ground: Ground, region: Region, snapshots: Sequence[ArmId]) -> AccessPlace:
    """Return where the disk accesses are for *snapshots*, or disks, which are of one VM."""
    return access_place(ground.settings, region, _subscription(region, snapshots))


def _subscription(region: Region, snapshots: Sequence[ArmId]) -> str:
    return subscription_of(snapshots[0]) if snapshots else region.subscription_id


def _adopt(ground: Ground, session: Session, worn: Sequence[Export]) -> Taken | None:
    """Take over what another session has renewed meanwhile of the *worn*: to end it ends both's."""
    renewed = {each.snapshot_id: _shared(ground, session, each) for each in worn}
    if not any(renewed.values()):
        return None
    exports = tuple(renewed.get(each.snapshot_id) or each for each in session.status.exports)
    status = replace(session.status, exports=exports)
    return Taken(status, Waiting(0, "access that another session was granted is shared"))


def _shared(ground: Ground, session: Session, export: Export) -> Export | None:
    """Return the export as another session has it that reads the snapshot too; None: none does."""
    others = exports_of_others(ground, session, ArmId(export.snapshot_id))
    return next(
        (
            replace(export, disk_access_id=each.disk_access_id, expires_at=each.expires_at)
            for each in others
            if not _is_worn(ground, each)
        ),
        None,
    )


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
    snapshots = exported_ids(ground.settings, session)
    others = await _beside(ground, region, snapshots)
    # What is open already was granted by a run that nobody recorded: nobody knows when it ends.
    is_open = {folded(each.id) for each in others if each.exported}
    until = ground.credentials_until()
    ends = {each: None if folded(each) in is_open else until for each in snapshots}
    if not region.private:
        exports = tuple(
            _shared(ground, session, Export(each)) or Export(each, expires_at=ends[each])
            for each in snapshots
        )
        return Taken(replace(session.status, exports=exports), Waiting(0, "exported publicly"))
    shared = {each: _shared(ground, session, Export(each)) for each in snapshots}
    owed = [each for each in snapshots if shared[each] is None]
    through = await share_out(ground, session, region, owed, others)
    exports = tuple(shared[each] or Export(each, through[each], ends[each]) for each in snapshots)
    used = {export.disk_access_id for export in exports}
    message = f"{len(exports)} exports through {len(used)} disk accesses"
    return Taken(replace(session.status, exports=exports), Waiting(0, message))


async def _beside(
    ground: Ground, region: Region, snapshots: Sequence[ArmId]
) -> Sequence[SnapshotSeen]:
    """Return the snapshots of ours where *snapshots* are: they have the same disk accesses."""
    group = ground.settings.snapshot_group(_subscription(region, snapshots))
    return await ground.snapshots.of_group(*group)


async def share_out(
    ground: Ground,
    session: Session,
    region: Region,
    snapshots: Sequence[ArmId],
    exported: Sequence[SnapshotSeen] | None = None,
) -> Mapping[ArmId, ArmId]:
    """Return the disk access that each of *snapshots*, or disks, is allotted.

    None is one that refused lately, or has no room beside what Azure shows to be *exported*.
    """
    if exported is None:
        exported = await _beside(ground, region, snapshots)
    place = _place_of(ground, region, snapshots)
    wanted = ExportsWanted(snapshots, place.access, _tied(snapshots, place, exported))
    return ground.allocator.share_exports(session, wanted, exported, _full(ground))


def _tied(
    snapshots: Sequence[ArmId], place: AccessPlace, seen: Sequence[SnapshotSeen]
) -> Mapping[ArmId, ArmId]:
    """Return the disk access of ours that each of *snapshots* is tied to, of those that are."""
    ties = {folded(each.id): each.disk_access_id for each in seen}
    found = {each: place.find(ties.get(folded(each)) or "") for each in snapshots}
    return {each: access for each, access in found.items() if access is not None}


async def _ways_ready(ground: Ground, region: Region, exports: Sequence[Export]) -> Waiting | None:
    """Have the disk accesses of *exports* made, with their ways in, and the snapshots tied."""
    waiting = await disk_accesses_ready(ground, region, {each.disk_access_id for each in exports})
    if waiting is not None:
        return waiting
    associated = await asyncio.gather(
        *(ground.snapshots.associate(ArmId(each.snapshot_id), _through(each)) for each in exports)
    )
    return None if all(associated) else Waiting(1, "the snapshots are being associated")


async def disk_accesses_ready(
    ground: Ground, region: Region, accesses: Collection[str | None]
) -> Waiting | None:
    """Have those of *accesses* made that are named, each with its way in; None once all are."""
    for access in sorted(each for each in accesses if each):
        seen = await ground.disk_accesses.ensure(region, _ours(ground, region, ArmId(access)))
        if seen.waiting is not None and seen.waiting.reason != _IN_PROGRESS:
            return seen.waiting
        if not seen.ready:
            message = f"disk access {name_of(ArmId(access))} is being made"
            return Waiting(MAKING_AGAIN_S, message)
    return None


def _through(export: Export) -> ArmId | None:
    return None if export.disk_access_id is None else ArmId(export.disk_access_id)


def _ours(ground: Ground, region: Region, access: ArmId) -> ArmId:
    place = access_place(ground.settings, region, subscription_of(access))
    found = place.find(access)
    if found is None:
        raise PermanentError(f"{access} is no disk access of ours", reason="ForeignDiskAccess")
    return found
