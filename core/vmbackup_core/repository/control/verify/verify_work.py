"""What a verify job is asked for, what it says, and what is believed of it; section 33, Verify.

Values alone: `verify_plan` makes the work, `verify_judging` decides what of the answer is logged.
The answer is `VerifyTold`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from vmbackup_core.ids import ChainId, CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.control.log.log_entries import Place
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.verify_told import VerifyTold
from vmbackup_core.repository.primitives.identities import PackId, WritingSession

__all__ = [
    "STAGES",
    "Judged",
    "ListedLost",
    "PackRun",
    "ReadSoFar",
    "SampleOf",
    "Stage",
    "VerifyAsked",
    "VerifyTold",
    "VerifyWork",
    "VmDue",
]

#: What is read for: packs and sections that are new, a share of the old packs, a sample of blocks.
Stage = Literal["new", "rota", "sample"]
STAGES: Final[tuple[Stage, ...]] = ("new", "rota", "sample")


@dataclass(frozen=True, slots=True)
class VerifyAsked:
    """What one session wants read of a VM; the same for all of its jobs but *cursor*.

    *run* is the session's own and the id of its holds. *new* asks for what no job has read yet,
    *rota_share* for this share (0 to 1) of each disk's other packs, *sample* for so many blocks of
    each disk, of the newest manifest whose snapshot is among *retained* (unique ids); a quarter as
    many are drawn beside them from the whole disk, zero or not. *cursor* is "" for the first job,
    and what `Judged.cursor` said for each later one.
    """

    run: RunId
    new: bool
    rota_share: float
    sample: int
    most_bytes: int
    retained: frozenset[SnapshotUniqueId] = frozenset()
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class PackRun:
    """Packs of one writing session that follow each other by number, and their listed sizes.

    *needed_by* is a slot whose manifest needs them; 0 of healing packs, as *slot* is.
    """

    slot: CommitSlot
    session: WritingSession
    first: int
    sizes: tuple[int, ...]
    needed_by: CommitSlot

    @property
    def last(self) -> int:
        """The number of the last of them."""
        return self.first + len(self.sizes) - 1

    def packs(self) -> Iterator[tuple[PackId, int]]:
        """Yield each pack and its size."""
        for number, size in enumerate(self.sizes, self.first):
            yield PackId(self.slot, self.session, number), size


@dataclass(frozen=True, slots=True)
class SampleOf:
    """Blocks that are compared with the retained snapshot that the manifest was made of.

    *blocks* are numbers of the disk, zero or not. *used* count the manifest's blocks that are not
    zero, from 0: who draws them need not open any section.
    """

    snapshot_id: str
    snapshot_unique_id: SnapshotUniqueId
    disk_bytes: int
    blocks: tuple[int, ...]
    used: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ListedLost:
    """A pack that is needed and that the listing lacks, or has with another size."""

    pack: PackId
    size_bytes: int
    needed_by: CommitSlot


@dataclass(frozen=True, slots=True)
class ReadSoFar:
    """How far the log says that a chain was read: in a slot, by pack id; None: all of the slot."""

    slot: int
    up_to: str | None


@dataclass(frozen=True, slots=True)
class VerifyWork:
    """One job's work on one chain: the same where it is planned again by the same cursor.

    *at* is the manifest of *place*, which is held; None where that does not open, and nothing is
    read. Where *sections* is so, those of its sections and tables that are new in slots above
    `so_far.slot` are opened, and each of their entries is compared with the foot of its pack.
    *listed* nobody is asked about, and of *archived* packs, which lie in the Archive tier as long
    as they were stored, nothing is read. *up_to* is how far the chain is read once all of it was
    looked at. *left_bytes* are for the rota's later jobs.
    """

    stage: Stage
    place: Place
    at: ManifestAt | None
    keys: str
    so_far: ReadSoFar
    up_to: ReadSoFar
    packs: tuple[PackRun, ...] = ()
    sections: bool = False
    sample: SampleOf | None = None
    listed: tuple[ListedLost, ...] = ()
    archived: int = 0
    left_bytes: int = 0
    says: tuple[str, ...] = ()

    @property
    def chain(self) -> ChainId:
        """The chain that all of it is of."""
        return self.place[0]

    @property
    def is_for_worker(self) -> bool:
        """False where nothing is left to read: it is judged at once, with no answer."""
        return bool(self.packs) or self.sections or self.sample is not None

    @property
    def read_bytes(self) -> int:
        """How many bytes of packs are read."""
        return sum(sum(run.sizes) for run in self.packs)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits for the job's id: what is planned anew alike is the same job."""
        said = (self.stage, self.place, self.at, self.packs, self.sections, self.sample)
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a job: *cursor* asks for the next one.

    *proven* packs were read back whole, *bad* packs and index objects are bad as far as the
    operator itself saw, *refuted* were called bad and are not: then nothing else that the worker
    said is believed, and another worker should be asked. *unreadable* cannot be read now.
    *archived* packs lie in the Archive tier and were not read. *differing* blocks of the *sampled*
    ones are not what the snapshot has: the chain's next backup is to read everything. *says* has a
    line for people on each of the first of them.
    """

    cursor: str
    proven: int = 0
    proven_bytes: int = 0
    bad: int = 0
    refuted: int = 0
    unreadable: int = 0
    archived: int = 0
    sampled: int = 0
    differing: int = 0
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VmDue:
    """A VM of which something is to be read: *since* when, and whether old packs are due too."""

    vm_id: str
    vm_name: str
    since: datetime
    new: bool
    rota: bool
