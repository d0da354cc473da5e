"""Until when the point of a session is kept: what is locked so long, and what is shown of why.

Upkeep says why of all points later; what is said here is there when the session ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from vmbackup_core.repository.control.retention.expire_plan import group_named
from vmbackup_operator.model.backup_policy import ArchivedPoints, BackupPolicy
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.recovery_point import NOT_LOOKED_AT, Kept
from vmbackup_operator.policies.keeping import kept_until
from vmbackup_operator.policies.kept_points import Keeper, Keepers, PointFacts, kept_points
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import PointSeen

#: What a policy says of the points that sessions of one type make, at a moment.
KeeperOf = Callable[[BackupPolicy, datetime], Keeper | None]


def policy_key(session: BackupSession) -> ObjectKey | None:
    """Return which policy made the session; None where a user did."""
    policy = session.spec.policy_ref
    return None if policy is None else ObjectKey(session.metadata.namespace, policy.name)


async def kept_as_known(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    taken_at: datetime,
    points_of: Callable[[BackupPolicy], ArchivedPoints],
) -> datetime | None:
    """Return until when a point of *taken_at* is kept, by its rule and its policy as they are.

    None where the repository locks nothing. *points_of* says which points a policy has made there.
    """
    if repository.spec.immutability is None:
        return None
    key = policy_key(session)
    policy = None if key is None else await ground.policies.find(key)
    rule = session.spec.retention.rule
    if policy is None:
        return await asyncio.to_thread(kept_until, rule, None, taken_at)
    points = points_of(policy)
    # In a thread: a rule of ten thousand of everything takes seconds.
    return await asyncio.to_thread(kept_until, rule, policy.spec.schedule, taken_at, points)


async def why_newest_kept(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    point: PointSeen,
    keeper_of: KeeperOf,
) -> Kept:
    """Return why the newest point of its VM and policy is kept, and until when."""
    if point.stamp is None:
        return NOT_LOOKED_AT
    now, key = ground.clock.now(), policy_key(session)
    group = group_named(None, None, point.virtual_machine_id)
    policies: dict[tuple[str, str], Keeper] = {}
    if key is not None:
        group = group_named(key.namespace, key.name, point.virtual_machine_id)
        policy = await ground.policies.find(key)
        keeper = None if policy is None else keeper_of(policy, now)
        if keeper is not None:
            policies[key.namespace, key.name] = keeper
    keepers = Keepers(policies, repository.retention_change_delay(now), now)
    facts = PointFacts(point.run_id, point.created_at, group, point.stamp)
    found = await asyncio.to_thread(kept_points, (facts,), keepers)
    return found[point.run_id]


async def why_kept(
    ground: Ground,
    session: BackupSession,
    repository: BackupRepository,
    point: PointSeen,
    keeper_of: KeeperOf,
) -> Kept | Waiting:
    """Return the same of a point that need not be its VM's newest; of an older one nothing is said.

    Newer ones count against it, and upkeep alone looks at all of them.
    """
    found = await ground.points.newest(repository, point.virtual_machine_id, ())
    if isinstance(found, Waiting):
        return found
    if [each.run_id for each in found] != [point.run_id]:
        return NOT_LOOKED_AT
    return await why_newest_kept(ground, session, repository, point, keeper_of)
