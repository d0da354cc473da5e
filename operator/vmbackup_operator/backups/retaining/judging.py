"""By what a session judges the sets of its VM, and what its own set says of how they are kept."""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_core.retention.in_force import Stamp
from vmbackup_operator.backups.identity import counted_for
from vmbackup_operator.backups.retaining.surplus import Keeping, stamp_behind
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.policies.kept_points import keeper_of_backups
from vmbackup_operator.sessions.findings import machine_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.snapshot_sets import SetSeen, plain_run, sets_of_machine


async def sets_beside(ground: Ground, session: BackupSession) -> list[SetSeen]:
    """Return the sets of the session's VM, its own among them, and what is altered of any VM."""
    vm_id = ArmId(machine_of(session).id)
    seen = await ground.snapshots.of_group(*ground.settings.snapshot_group(subscription_of(vm_id)))
    # Others that are being taken or dropped are whole or not from one moment to the next.
    own = run_of(session)
    ended = [
        each for each in seen if plain_run(each) == own or not ground.book.goes_on(plain_run(each))
    ]
    return sets_of_machine(ground, ended, vm_id)


def counted_together(session: BackupSession, sets: Sequence[SetSeen]) -> list[SetSeen]:
    """Return those of *sets* that stand alone and are counted with the session's own."""
    return [each for each in sets if each.alone and each.policy == counted_for(session)]


async def stamp_of(ground: Ground, session: BackupSession) -> Stamp:
    """Return what the session's set is to say, behind those that are there."""
    own = run_of(session)
    sets = counted_together(session, await sets_beside(ground, session))
    before = [each for each in sets if each.run_id != own]
    delay = ground.settings.snapshot_sets.retention_change_delay
    return stamp_behind(before, session.spec.retention.rule, delay, ground.clock.now())


async def keeping_of(ground: Ground, key: ObjectKey | None) -> Keeping:
    """Return by what the sets are judged that are counted for the policy, or for none."""
    now = ground.clock.now()
    policy = None if key is None else await ground.policies.find(key)
    keeper = None
    if policy is not None and policy.spec.type == "Snapshot":
        keeper = keeper_of_backups(policy, now)
    return Keeping(keeper, ground.settings.snapshot_sets.retention_change_delay, now)
