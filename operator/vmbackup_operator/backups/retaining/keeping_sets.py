"""Sets of a VM and policy as they are judged: what goes is deleted, what stays is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.retention.expire_plan import Group, group_named
from vmbackup_operator.backups.pruning import delete_snapshots, is_named
from vmbackup_operator.backups.retaining.judging import keeping_of
from vmbackup_operator.backups.retaining.objects import key_of, object_of
from vmbackup_operator.backups.retaining.surplus import surplus_by, whys_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.recovery_point import NOT_LOOKED_AT, Kept
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.snapshot_sets import SetSeen
from vmbackup_operator.sessions.tags import verified_set


@dataclass(frozen=True, slots=True)
class Counted:
    """Which sets are counted together: a VM's, by the *policy* that had them taken, or by none."""

    namespace: str
    policy: str
    vm_id: ArmId

    @staticmethod
    def of(said: str, vm_id: ArmId) -> Counted:
        """Return it by what the sealed tags say of whose count a set belongs to."""
        namespace, _, policy = said.partition("/")
        return Counted(namespace, policy, vm_id)

    @property
    def policy_key(self) -> ObjectKey | None:
        """Where the policy is, or was; None where a user asked for the sets."""
        return ObjectKey(self.namespace, self.policy) if self.policy else None

    @property
    def group(self) -> Group:
        """What the sets are called where they are judged."""
        return group_named(self.namespace, self.policy, self.vm_id)


async def keep_and_let_go(
    ground: Ground, counted: Counted, sets: Sequence[SetSeen], own: RunId | None = None
) -> list[SetSeen] | None:
    """Delete what is not kept of *sets*, never *own*, and have the rest shown; return that.

    None while Azure is at deleting some. What an unfinished session reads stays.
    """
    keeping = await keeping_of(ground, counted.policy_key)
    surplus = [each for each in surplus_by(sets, keeping, own) if not is_named(ground, each)]
    if not await _delete_sets(ground, counted, surplus):
        return None
    kept = [each for each in sets if each not in surplus]
    whys = whys_of(kept, counted.group, keeping)
    shown = (each for each in kept if each.fault is None)
    await asyncio.gather(
        *(_show(ground, counted, each, whys.get(each.run_id, NOT_LOOKED_AT)) for each in shown)
    )
    return kept


async def _delete_sets(ground: Ground, counted: Counted, surplus: Sequence[SetSeen]) -> bool:
    """Delete the sets, their objects first: nobody shall begin to restore what is going."""
    for each in surplus:
        key = key_of(counted.namespace, counted.vm_id, each.created_at, each.run_id)
        await ground.point_objects.drop(key, each.run_id)
    return await delete_snapshots(ground, [one for each in surplus for one in each.snapshots])


async def _show(ground: Ground, counted: Counted, kept: SetSeen, why: Kept) -> None:
    """Have the set shown where it is not, as after the loss of the cluster, and why it is kept."""
    key = key_of(counted.namespace, counted.vm_id, kept.created_at, kept.run_id)
    stored = await ground.point_objects.find(key)
    if stored is None:
        made = object_of(verified_set(ground.ring, kept.snapshots), ground.settings.appliance.id)
        status = replace(made.status, kept_because=why.because, kept_until=why.until)
        await ground.point_objects.ensure(replace(made, status=status))
    elif stored.status.kept != why:
        await ground.point_objects.say_kept(key, kept.run_id, why)
