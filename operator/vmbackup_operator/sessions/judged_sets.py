"""Snapshot sets whose sealed tags were verified: once, and again when anything of them changes.

Each backup looks at every set that there is, to prune its own and to report what was altered; to
open thousands of seals each time takes longer than all the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmbackup_operator.sessions.keys import KeyRing
from vmbackup_operator.sessions.seen import SnapshotSeen
from vmbackup_operator.sessions.tags import TagsNotGenuine, verified_set


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """What a set's tags say of it, or why they are no snapshot set's: then *fault* says so."""

    run_id: str
    virtual_machine_id: str = ""
    policy: str = ""
    fault: str | None = None


class JudgedSets:
    """Judges sets, and remembers those that are there."""

    def __init__(self) -> None:
        self._judged: dict[str, tuple[bytes, JudgedSet]] = {}

    def judge(
        self, ring: KeyRing, sets: Mapping[str, Sequence[SnapshotSeen]]
    ) -> Mapping[str, JudgedSet]:
        """Return what each of all the *sets* is, by the run that its plain tags name."""
        known, self._judged = self._judged, {}
        for run, snapshots in sets.items():
            seen = _digest(snapshots)
            before = known.get(run)
            judged = before[1] if before is not None and before[0] == seen else None
            self._judged[run] = (seen, judged or _judged(ring, run, snapshots))
        return {run: judged for run, (_, judged) in self._judged.items()}


def _judged(ring: KeyRing, run: str, snapshots: Sequence[SnapshotSeen]) -> JudgedSet:
    try:
        found = verified_set(ring, snapshots)
    except TagsNotGenuine as error:
        return JudgedSet(run, fault=str(error))
    return JudgedSet(found.run_id, found.virtual_machine_id, found.policy)


def _digest(snapshots: Sequence[SnapshotSeen]) -> bytes:
    """Return what tells the set from any other state of it: all that its verification reads."""
    digest = hashlib.blake2b(digest_size=16)
    for each in sorted(snapshots, key=lambda snapshot: snapshot.id):
        tags = (f"{name}={value}" for name, value in sorted(each.tags.items()))
        said = (each.id, each.source_disk_id, each.source_unique_id, *tags)
        digest.update("\n".join(said).encode() + b"\0")
    return digest.digest()
