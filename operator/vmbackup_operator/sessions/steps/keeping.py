"""Until when the point of a session is kept: what is locked so long, and what is shown of why.

What a policy says of it is for each kind of session to tell. Upkeep says why of all points later;
what is said here is there when the session ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from vmbackup_core.repository.control.retention.expire_plan import Group, group_named
from vmbackup_core.retention.in_force import Stamp
from vmbackup_core.retention.rules import Retention
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.recovery_point import NOT_LOOKED_AT, Kept
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import PointSeen


@dataclass(frozen=True, slots=True)
class MadeBy:
    """With which points one is judged, and its policy as it is *now*; None where there is none.

    *delay* is how long a retention that keeps less waits in the repository.
    """

    group: Group
    policy: BackupPolicy | None
    delay: timedelta
    now: datetime


#: Tells why the newest point of its group is kept, by the retention that is written on it.
Judge = Callable[[PointSeen, Stamp, MadeBy], Kept]
#: Tells when a point of a moment is no longer kept by a rule, with its policy as it is.
End = Callable[[Retention, BackupPolicy | None, datetime], datetime]


def policy_key(session: BackupSession) -> ObjectKey | None:
    """Return which policy made the session; None where a user did."""
    policy = session.spec.policy_ref
    return None if policy is None else ObjectKey(session.metadata.namespace, policy.name)


async def kept_as_known(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    taken_at: datetime,
    end_of: End,
) -> datetime | None:
    """Return until when a point of *taken_at* is kept, by its rule and its policy as they are.

    None where the repository locks nothing.
    """
    if repository.spec.immutability is None:
        return None
    policy, rule = await _policy_of(ground, session), session.spec.retention.rule
    # In a thread: a rule of ten thousand of everything takes seconds.
    return await asyncio.to_thread(end_of, rule, policy, taken_at)


async def why_newest_kept(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    point: PointSeen,
    judge: Judge,
) -> Kept:
    """Return why the newest point of its VM and policy is kept, and until when."""
    if point.stamp is None:
        return NOT_LOOKED_AT
    now, key = ground.clock.now(), policy_key(session)
    namespace, name = (None, None) if key is None else (key.namespace, key.name)
    by = MadeBy(
        group=group_named(namespace, name, point.virtual_machine_id),
        policy=await _policy_of(ground, session),
        delay=repository.retention_change_delay(now),
        now=now,
    )
    return await asyncio.to_thread(judge, point, point.stamp, by)


async def why_kept(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    point: PointSeen,
    judge: Judge,
) -> Kept | Waiting:
    """Return the same of a point that need not be its VM's newest; of an older one nothing is said.

    Newer ones count against it, and upkeep alone looks at all of them.
    """
    found = await ground.points.newest(repository, point.virtual_machine_id, ())
    if isinstance(found, Waiting):
        return found
    if [each.run_id for each in found] != [point.run_id]:
        return NOT_LOOKED_AT
    return await why_newest_kept(ground, session, repository, point, judge)


async def _policy_of(ground: Ground, session: BackupSession) -> BackupPolicy | None:
    key = policy_key(session)
    return None if key is None else await ground.policies.find(key)
