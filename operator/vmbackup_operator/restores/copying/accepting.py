"""Accepted: the point counts, its snapshot set is retained, and what is made of it written down."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from vmbackup_operator.model.display import counted
from vmbackup_operator.model.restore_session import (
    RestoredDisk,
    RestoreSession,
    RestoreSessionStatus,
)
from vmbackup_operator.reconciling.other_subscriptions import subscription_refused
from vmbackup_operator.reconciling.outcome import Done, Failed
from vmbackup_operator.restores.accepting import find_point
from vmbackup_operator.restores.allowing import target_refused
from vmbackup_operator.restores.copying.planned import plan_copies
from vmbackup_operator.restores.counting import find_counted
from vmbackup_operator.restores.digests import digest_of
from vmbackup_operator.restores.earlier import begun_before, earlier_record, restored_before
from vmbackup_operator.restores.judging import group_of
from vmbackup_operator.restores.looking import judge_target
from vmbackup_operator.restores.planning.places import region_name
from vmbackup_operator.restores.planning.planned import Planned
from vmbackup_operator.restores.retained import find_retained, members_of
from vmbackup_operator.restores.undo import record_of
from vmbackup_operator.sessions.findings import resolved_of, restored_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import PointOfSet
from vmbackup_operator.sessions.step import Taken
from vmbackup_operator.sessions.undo_record import UndoRecord

_INSTEAD = "restore this one with source Repository, or another one whose set is there"


async def accept(ground: Ground, session: RestoreSession) -> Taken:
    """Find the point and its set, and record what is made of it; nothing is made yet."""
    if session.status.restored is None:
        return await find_point(ground, session)
    point = await find_counted(ground, session)
    if not isinstance(point, PointOfSet):
        return Taken(session.status, point)
    refused = _elsewhere(session, point)
    if refused is not None:
        return Taken(session.status, refused)
    retained = await find_retained(ground, session, point, _INSTEAD)
    if isinstance(retained, Failed):
        return Taken(session.status, retained)
    planned = plan_copies(session, point)
    refused = await _refusal(ground, session, planned)
    if refused is not None:
        return Taken(session.status, refused)
    ground.copied_points[run_of(session)] = point
    named = {each.position: retained[each.position] for each in planned.disks}
    resolved = replace(resolved_of(session), retained=members_of(named))
    status = _with_plan(replace(session.status, resolved=resolved), session, planned)
    # Before anything is made: whoever takes the finalizer off takes nothing of it away.
    await ground.undo_records.keep(record_of(replace(session, status=status)))
    target = session.spec.target
    message = f"{counted(len(planned.disks), 'disk')} for {target.resource_group}"
    return Taken(status, Done(f"{message} in {target.region}"))


def _elsewhere(session: RestoreSession, point: PointOfSet) -> Failed | None:
    """Refuse a target in another region than the snapshots': Azure makes no disks of them there."""
    where, wanted = region_name(point.virtual_machine_region), session.spec.target.region
    if where == region_name(wanted):
        return None
    message = (
        f"the snapshots are in {where}, and Azure makes no disk of them in {wanted}: name that "
        "region in spec.target, or restore with source Repository"
    )
    return Failed("SnapshotsOfAnotherRegion", message)


async def _refusal(ground: Ground, session: RestoreSession, planned: Planned) -> Failed | None:
    """Return why the plan is not carried out, before it has cost anything."""
    refused = target_refused(ground.settings, session.metadata.namespace, planned)
    refused = refused or subscription_refused(ground.settings, group_of(session.spec.target))
    refused = refused or await judge_target(ground, session, planned)
    return refused or await _replayed(
        ground, session, planned, await earlier_record(ground, session)
    )


async def _replayed(
    ground: Ground, session: RestoreSession, planned: Planned, earlier: UndoRecord | None
) -> Failed | None:
    """Return that an earlier session of the name stands against this one, None where none does."""
    before = begun_before(session, planned, earlier)
    if before is not None or earlier is not None:
        return before
    found = await asyncio.gather(*(ground.copies.find(each.id) for each in planned.disks))
    there = next((each for each in found if each is not None), None)
    return None if there is None else restored_before(session, there.id)


def _with_plan(
    status: RestoreSessionStatus, session: RestoreSession, planned: Planned
) -> RestoreSessionStatus:
    """Return the status with what is going to be made, before the first request to Azure."""
    machine = planned.machine
    restored = replace(
        restored_of(session),
        disks=tuple(
            RestoredDisk(each.position, each.id, each.size_bytes) for each in planned.disks
        ),
        network_interface_ids=tuple(each.id for each in planned.interfaces),
        virtual_machine_id=None if machine is None else machine.id,
        not_restored=planned.not_restored,
        plan_digest=digest_of(planned),
    )
    return replace(status, restored=restored)
