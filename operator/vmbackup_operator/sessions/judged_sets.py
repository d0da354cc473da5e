"""Snapshot sets whose sealed tags were verified: once, and again when anything of them changes.

Each backup looks at every set that there is, to prune its own and to report what was altered; to
open thousands of seals each time takes longer than all the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmbackup_core.retention.in_force import Stamp
from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.tags import TagsNotGenuine, verified_set

#: How often the sets of all VMs are looked at for what was altered.
_ALL_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """What a set's tags say of it, or why they are no snapshot set's: then *fault* says so."""

    run_id: str
    virtual_machine_id: str = ""
    policy: str = ""
    fault: str | None = None
    alone: bool = False
    stamp: Stamp | None = None


class JudgedSets:
    """Judges sets, and remembers those that are there."""

    def __init__(self) -> None:
        self._judged: dict[str, tuple[bytes, JudgedSet]] = {}
        self._judged_all_s = -_ALL_EVERY_S

    def judge(
        self,
        ring: KeyRing,
        sets: Mapping[str, Sequence[SnapshotSeen]],
        machine: ArmId,
        now_s: float,
    ) -> Mapping[str, JudgedSet]:
        """Return those of all the *sets* that are the VM's or are at fault, by their plain run tag.

        What is the VM's, or not known yet, is verified as it is now; what was found to be another
        one's is taken for that for a minute.
        """
        judges_all = now_s - self._judged_all_s >= _ALL_EVERY_S
        if judges_all:
            self._judged_all_s = now_s
            self._judged = {run: it for run, it in self._judged.items() if run in sets}
        found = {}
        for run, snapshots in sets.items():
            before = self._judged.get(run)
            if before is None or judges_all or _concerns(before[1], machine):
                before = self._judged[run] = _judged(ring, run, snapshots, before)
            if _concerns(before[1], machine):
                found[run] = before[1]
        return found


def _concerns(judged: JudgedSet, machine: ArmId) -> bool:
    return judged.fault is not None or same_id(judged.virtual_machine_id, machine)


def _judged(
    ring: KeyRing,
    run: str,
    snapshots: Sequence[SnapshotSeen],
    before: tuple[bytes, JudgedSet] | None,
) -> tuple[bytes, JudgedSet]:
    """Return the digest of the set and what it is: as *before* where it is what it was."""
    digest = _digest(snapshots)
    if before is not None and before[0] == digest:
        return before
    try:
        found = verified_set(ring, snapshots)
    except TagsNotGenuine as error:
        return digest, JudgedSet(run, fault=str(error))
    judged = JudgedSet(
        found.run_id,
        found.virtual_machine_id,
        found.policy,
        alone=found.alone,
        stamp=found.stamp,
    )
    return digest, judged


def _digest(snapshots: Sequence[SnapshotSeen]) -> bytes:
    """Return what tells the set from any other state of it: all that its verification reads."""
    digest = hashlib.blake2b(digest_size=16)
    for each in sorted(snapshots, key=lambda snapshot: snapshot.id):
        tags = (f"{name}={value}" for name, value in sorted(each.tags.items()))
        said = (each.id, each.source_disk_id, each.source_unique_id, *tags)
        digest.update("\n".join(said).encode() + b"\0")
    return digest.digest()
