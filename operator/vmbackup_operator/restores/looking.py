"""What there is where a restore goes to, looked at before anything is made, and judged."""

from __future__ import annotations

import asyncio

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.restores.judging import TargetSeen, judge, looked_at, size_wanted
from vmbackup_operator.restores.planning.places import region_name
from vmbackup_operator.restores.planning.planned import Planned
from vmbackup_operator.sessions.findings import run_of
from vmbackup_operator.sessions.ground import Ground


async def judge_target(ground: Ground, session: RestoreSession, planned: Planned) -> Failed | None:
    """Return what of the target stands against the plan, None where nothing does."""
    target = session.spec.target
    ids = looked_at(planned, target)
    found = await asyncio.gather(*(ground.targets.find(each) for each in ids))
    there = {folded(each): seen for each, seen in zip(ids, found, strict=True) if seen is not None}
    region, size = region_name(target.region), size_wanted(planned)
    seen = TargetSeen(
        resources=there,
        usages=await ground.targets.usages(target.subscription_id, region),
        size=await ground.targets.find_size(target.subscription_id, region, size) if size else None,
    )
    return judge(planned, target, run_of(session), seen)
