"""The snapshot sets of a VM: what is there of them, by the sealed tags that make them sets."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_core.retention.in_force import Stamp
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.naming import RUN_TAG, ArmId
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import SnapshotSeen

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SetSeen:
    """One run's snapshots of a VM; *fault* says why they are no snapshot set.

    One that stands *alone* is itself what is kept: no recovery point of a repository is made of it.
    *stamp* is then how its VM's sets are kept, as the set says itself.
    """

    run_id: RunId
    snapshots: tuple[SnapshotSeen, ...]
    fault: str | None = None
    policy: str = ""
    alone: bool = False
    stamp: Stamp | None = None

    @property
    def created_at(self) -> datetime:
        """When the set was complete: when the latest of it was taken."""
        return max(each.created_at for each in self.snapshots)


async def all_snapshots(ground: Ground) -> list[SnapshotSeen]:
    """Return the snapshots in all groups of the appliance's; of another subscription, if listed.

    Who gave the appliance a group in another subscription may take the rights there away: what is
    in all others is seen all the same.
    """
    own, *others = ground.settings.snapshot_groups
    found = list(await ground.snapshots.of_group(*own))
    for subscription, group in others:
        try:
            found += await ground.snapshots.of_group(subscription, group)
        except VmbackupError as error:
            log.warning("snapshots of subscription %s are not seen: %s", subscription, error)
    return found


def sets_of_machine(ground: Ground, seen: Iterable[SnapshotSeen], machine: ArmId) -> list[SetSeen]:
    """Return the sets of the VM by their sealed tags, newest first; the rest of it as faults.

    Which VM an altered set is of can't be known: it is reported by every VM's session.
    """
    by_run: dict[str, list[SnapshotSeen]] = defaultdict(list)
    for snapshot in seen:
        by_run[plain_run(snapshot)].append(snapshot)
    now_s = ground.clock.monotonic_s()
    judged = ground.judged_sets.judge(ground.ring, by_run, machine, now_s)
    sets = [
        SetSeen(
            run_id=RunId(each.run_id),
            snapshots=tuple(by_run[run]),
            fault=each.fault,
            policy=each.policy,
            alone=each.alone,
            stamp=each.stamp,
        )
        for run, each in judged.items()
    ]
    return sorted(sets, key=lambda each: each.created_at, reverse=True)


def plain_run(snapshot: SnapshotSeen) -> str:
    """Return the run that the snapshot says it is of, in the open: a hint, and no proof."""
    return tag_value(snapshot.tags, RUN_TAG) or ""
