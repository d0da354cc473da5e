"""What a policy's sessions tell of it, and which of them its history keeps; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, assert_never

from msgspec.structs import replace

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import (
    BackupPolicyStatus,
    SessionHistory,
)
from vmbackup_operator.model.backup_session import TAKES_SNAPSHOTS, BackupSession
from vmbackup_operator.model.metadata import FINALIZER
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.occasions import CLOCKS_DIFFER

#: The schema's bound on the names of running sessions in status.
MOST_ACTIVE = 100

#: Each has a history of its own, so that none displaces another.
Kept = Literal["succeeded", "failed", "skipped"]


def with_sessions(
    status: BackupPolicyStatus, sessions: Sequence[BackupSession], now: datetime
) -> BackupPolicyStatus:
    """Return *status* with what the policy's *sessions* tell; no end ahead of *now* is believed."""
    active = sorted(each.metadata.name for each in sessions if each.status.outcome is None)
    ends = [
        each.status.completion_time
        for each in sessions
        if _is_of_occasion(each)
        and each.status.outcome == "Succeeded"
        and each.status.completion_time is not None
    ]
    if status.last_success_time is not None:
        ends.append(status.last_success_time)
    newest = max(filter(_is_of_occasion, sessions), key=_age_key, default=None)
    return replace(
        status,
        active_sessions=tuple(active[:MOST_ACTIVE]),
        last_success_time=max((end for end in ends if end <= now + CLOCKS_DIFFER), default=None),
        last_session=status.last_session if newest is None else newest.metadata.name,
    )


def without_turn(machines: Iterable[ArmId], sessions: Sequence[BackupSession]) -> list[ArmId]:
    """Return those of *machines* whose newest session was skipped, and none is under way."""
    newest: dict[str, BackupSession] = {}
    for session in sorted(filter(_is_of_occasion, sessions), key=_turn_key):
        newest[folded(session.spec.virtual_machine_id)] = session
    return sorted(
        vm_id
        for vm_id in machines
        if folded(vm_id) in newest and newest[folded(vm_id)].status.outcome == "Skipped"
    )


def beyond_history(
    history: SessionHistory,
    sessions: Sequence[BackupSession],
    machines: Iterable[ArmId],
    now: datetime,
) -> list[BackupSession]:
    """Return the ended sessions that *history* does not keep, counted per VM.

    Backups and archives are counted apart: an archive tells which period was archived.
    One that still has something to undo stays: its object is what that is known from. Of the VMs
    that are backed up, *machines*, the newest that succeeded stays however long ago it ended.
    """
    ended: dict[tuple[str, str, Kept], list[BackupSession]] = defaultdict(list)
    for session in sessions:
        kept = _kept_as(session)
        if kept is not None and FINALIZER not in session.metadata.finalizers:
            vm_id = folded(session.spec.virtual_machine_id)
            ended[vm_id, session.spec.type, kept].append(session)
    surplus: list[BackupSession] = []
    backed_up = {folded(vm_id) for vm_id in machines}
    for (vm_id, _, kept), group in ended.items():
        newest_first = sorted(group, key=_age_key, reverse=True)
        number = _number_of(history, kept)
        surplus += newest_first[number:]
        stays = 1 if kept == "succeeded" and vm_id in backed_up else 0
        surplus += (each for each in newest_first[stays:number] if _is_past(history, each, now))
    return surplus


def _is_past(history: SessionHistory, session: BackupSession, now: datetime) -> bool:
    """Tell whether the session ended so long ago that it does not stay for its number."""
    ended, lives_s = session.status.completion_time, history.ttl_seconds_after_finished
    if ended is None or lives_s is None:
        return False
    return ended + timedelta(seconds=lives_s) <= now


def _is_of_occasion(session: BackupSession) -> bool:
    return session.spec.type in TAKES_SNAPSHOTS


def _kept_as(session: BackupSession) -> Kept | None:
    match session.status.outcome:
        case "Succeeded":
            return "succeeded"
        case "Failed" | "Cancelled":
            return "failed"
        case "Skipped":
            return "skipped"
        case None:
            return None
        case never:
            assert_never(never)


def _number_of(history: SessionHistory, kept: Kept) -> int:
    match kept:
        case "succeeded":
            return history.succeeded
        case "failed":
            return history.failed
        case "skipped":
            return history.skipped
        case never:
            assert_never(never)


def _age_key(session: BackupSession) -> tuple[datetime, str]:
    created = session.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC)
    return (created, session.metadata.name)


def _turn_key(session: BackupSession) -> tuple[bool, datetime, str]:
    """Return what sorts sessions by age, those under way behind all others."""
    return (session.status.outcome is None, *_age_key(session))
