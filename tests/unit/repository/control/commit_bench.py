"""One disk that runs back up and commit, written and committed by the real code, over two places.

Each run has a content of its own, and a commit is worth what comes back of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.unit.repository.control.log_bench import (
    APPLIANCE,
    RING,
    MemoryHeads,
    TurnedClock,
    run,
)
from tests.unit.repository.data.bench import Disk, Target, changes, noise, silent
from tests.unit.repository.data.samples import BLOCK
from tests.unit.repository.turns import Work
from vmbackup_core.errors import CorruptRepository, LostAttempt
from vmbackup_core.extents import Extent
from vmbackup_core.ids import CommitSlot, DiskUniqueId, SnapshotUniqueId
from vmbackup_core.repository.control.backup.committing import (
    CommittedDisk,
    Committing,
    Offer,
    find_committed,
)
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk, prepare_disk
from vmbackup_core.repository.control.chains.chain_header import DiskChain
from vmbackup_core.repository.control.chains.named_manifests import manifest_of
from vmbackup_core.repository.control.commits.commits import Commit, commits, find_commit, newest
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import ListEntry
from vmbackup_core.repository.control.log.log import Author, Log
from vmbackup_core.repository.control.log.log_entries import Claimed, Dropped
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan, Pruning, plan_prune
from vmbackup_core.repository.control.retention.stored_manifests import StoredManifests
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.data.grants import ManifestAt, Parameters
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.repository.data.said import MIB, SaidDisk, SaidVm
from vmbackup_core.repository.primitives import chain_keys
from vmbackup_core.repository.primitives.masters import KeyRing
from vmbackup_core.repository.primitives.names import prefix_of_chain
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Store

BLOCKS = 8
SMALL = Parameters(BLOCK, 4 * BLOCK, MIB)
DISK = DiskUniqueId("Disk-Unique-Id")
CHAIN = RING.of(1).chain_name(DISK, 0)

#: Gives who commits in a test: a subclass of Committing lacks one of its safeguards.
Commits = Callable[[Log, Store, DiskAsked, DiskChain], Committing]


def content_of(number: int, blocks: int = BLOCKS) -> bytes:
    """Return what run *number* finds on the disk: two blocks are its own, the rest is old."""
    content = bytearray(noise(1, blocks * BLOCK))
    for at in (number % blocks, (number * 3 + 4) % blocks):
        content[at * BLOCK : (at + 1) * BLOCK] = noise(1000 * number + at, BLOCK)
    return bytes(content)


@dataclass
class CommitBench:
    """Both places of a repository, and what each manifest was written of."""

    places: Places = field(default_factory=lambda: Places(MemoryStore(), MemoryStore()))
    ring: KeyRing = RING
    parameters: Parameters = SMALL
    committing: Commits = Committing
    deltas: bool = False
    contents: dict[str, bytes] = field(default_factory=dict)
    bases: dict[int, ManifestAt | None] = field(default_factory=dict)

    def log(self, places: Places | None = None) -> Log:
        control = Control((places or self.places).control, self.ring)
        log = Log(control, MemoryHeads(), Author(APPLIANCE, APPLIANCE), TurnedClock())
        log.reader.side_by_side = 1
        return log

    def begun(self) -> Self:
        claimed = Claimed(appliance=APPLIANCE, from_=None)
        assert self.log().append(lambda _: (claimed,)).entries
        return self

    def asked(self, number: int, base: ManifestAt | None = None, blocks: int = BLOCKS) -> DiskAsked:
        return DiskAsked(
            run=run(number),
            snapshot_unique_id=SnapshotUniqueId(f"snapshot-{number}"),
            taken_at=None,
            disk_bytes=blocks * BLOCK,
            disk=SaidDisk("disk id", DISK, "name", None),
            vm=SaidVm("vm id", "name", "region"),
            base=base,
        )

    def prepare(self, asked: DiskAsked, places: Places | None = None) -> PreparedDisk:
        places = places or self.places
        log = self.log(places)
        return prepare_disk(log, places.data, asked, self.parameters, deltas=self.deltas)

    def write(
        self,
        asked: DiskAsked,
        content: bytes,
        places: Places | None = None,
        prepared: PreparedDisk | None = None,
    ) -> Offer:
        """Write *content* as a worker does, for the slot that comes next or was prepared before."""
        places = places or self.places
        prepared = prepared or self.prepare(asked, places)
        base = prepared.grant.base
        before = None if base is None else self.contents[base.name]
        extents = [Extent(0, len(content))] if before is None else changes(before, content)
        predecessor = Disk(before) if before is not None and self.deltas else None
        disk = DiskToRead(Disk(content), extents, predecessor)
        done = write_disk(
            places.data, prepared.keys, prepared.grant, disk, threads=1, progress=silent
        )
        self.contents[done.manifest] = content
        return offered(done.manifest, done.sha256)

    def commit(self, asked: DiskAsked, offer: Offer, places: Places | None = None) -> CommittedDisk:
        places = places or self.places
        log = self.log(places)
        chain = DiskChain(CHAIN, 0, 1, self.parameters)
        return self.committing(log, places.data, asked, chain).commit(offer)

    def committed(self, number: int) -> CommittedDisk:
        """Back run *number* up, on the newest manifest where there is one."""
        asked = self.asked(number, self.newest())
        return self.commit(asked, self.write(asked, content_of(number)))

    def newest(self) -> ManifestAt | None:
        """Return the newest commit's manifest."""
        found = newest(self.control, CHAIN)
        return None if found is None else manifest_of(found)

    def find_commit(self, slot: int) -> Commit:
        found = find_commit(self.control, CHAIN, CommitSlot(slot))
        assert found is not None
        assert found.commit is not None, found.damage
        return found.commit

    @property
    def control(self) -> Control:
        return Control(self.places.control, self.ring)

    def entries(self, slot: int) -> list[ListEntry]:
        """Return the pack list of the commit in *slot*."""
        parts = OpenList.of(self.control, self.find_commit(slot), CHAIN).parts()
        return [entry for part in parts for entry in part]

    def recounted(self, slot: int) -> list[ListEntry]:
        """Return the pack list that all tables of the manifest in *slot* give."""
        commit = self.find_commit(slot)
        stored = StoredManifests(self.places.data, self.ring, max(self.ring.masters))
        assert commit.manifest_name is not None
        return list(stored.recount(commit.manifest_name, commit.manifest_sha256))

    def restored(self, committed: CommittedDisk) -> bytes:
        name = prefix_of_chain(committed.chain) + committed.manifest
        keys = chain_keys.for_reading(self.ring, CHAIN, 1, max(self.ring.masters))
        digest = bytes.fromhex(committed.manifest_sha256)
        manifest = open_manifest(self.places.data, keys, name, digest)
        target = Target(manifest.said.disk_bytes)
        restore_manifest(
            self.places.data,
            keys,
            manifest,
            NothingHealed(),
            target,
            threads=1,
            progress=silent,
        )
        return bytes(target.content)

    def prune(self) -> None:
        """Delete what is garbage, by the real plan."""
        stored = StoredManifests(self.places.data, self.ring, max(self.ring.masters))
        planned = plan_prune(Pruning(self.log(), self.places.data, stored), CHAIN)
        assert isinstance(planned, PrunePlan), planned
        for each in planned.data:
            self.places.data.delete(each.name)
        for each in planned.control:
            self.places.control.delete(each.name)

    def damage_manifest(self, committed: CommittedDisk) -> None:
        """Damage a commit's manifest, and let it go as a person does."""
        data, name = self.places.data, at_of(committed).name
        damaged = bytearray(data.get(name))
        damaged[100] ^= 1
        data.delete(name)
        data.put_new(name, damaged)
        dropped = Dropped(
            chain=CHAIN, slot=committed.slot, what="manifest", session=None, why="it is damaged"
        )
        assert self.log().append(lambda _: (dropped,)).entries

    def complaints(self, told: Mapping[int, Sequence[CommittedDisk]]) -> list[str]:
        """Prune, and return what is wrong with what runs were told to have committed."""
        self.prune()
        return [
            why
            for number, every in told.items()
            for why in (*self._of_run(number, every), *map(self._lost, every))
            if why
        ]

    def _of_run(self, number: int, told: Sequence[CommittedDisk]) -> list[str]:
        slots = [
            each.slot
            for each in commits(self.control, CHAIN)
            if each.commit is not None and each.commit.run_id == run(number)
        ]
        wrong = [] if len(slots) == 1 else [f"run {number} has commits in {slots}"]
        answers = {each.sha256 for each in told}
        return wrong if len(answers) == 1 else [*wrong, f"run {number} was told {answers}"]

    def _lost(self, told: CommittedDisk) -> str:
        found = find_commit(self.control, told.chain, told.slot)
        if found is None or found.sha256 != told.sha256 or found.commit is None:
            return f"slot {told.slot} has another commit than was told"
        if self.entries(told.slot) != self.recounted(told.slot):
            return f"the list of slot {told.slot} is not what its tables say"
        whose = int(found.commit.run_id or "0", 16) - 0xA000
        try:
            return "" if self.restored(told) == content_of(whose) else f"slot {told.slot} differs"
        except CorruptRepository as error:
            return f"slot {told.slot} does not restore: {error}"


def offered(name: str, sha256: str) -> Offer:
    named = parse_data(name)
    assert isinstance(named, ManifestName)
    return Offer(name, sha256, named)


def at_of(committed: CommittedDisk) -> ManifestAt:
    name = prefix_of_chain(committed.chain) + committed.manifest
    return ManifestAt(name, committed.manifest_sha256, committed.slot)


#: What runs were told to have committed.
Told = dict[int, list[CommittedDisk]]


def back_up(bench: CommitBench, number: int, told: Told) -> Work:
    """Return the work of a run, or of its retry: found, or written and committed until it is."""

    def work(places: Places) -> object:
        base = bench.bases.setdefault(number, bench.newest())
        asked = bench.asked(number, base)
        told.setdefault(number, []).append(_until_committed(bench, places, asked, number))
        return None

    return work


def _until_committed(
    bench: CommitBench, places: Places, asked: DiskAsked, number: int
) -> CommittedDisk:
    while True:
        found = find_committed(bench.log(places), places.data, asked)
        if found is not None:
            return found
        offer = bench.write(asked, content_of(number), places)
        try:
            return bench.commit(asked, offer, places)
        except LostAttempt:
            continue


def commit_written(bench: CommitBench, number: int, told: Told) -> list[Work]:
    """Return the works of two leaders that were paused before they commit one worker's manifest."""
    asked = bench.asked(number, bench.bases.setdefault(number, bench.newest()))
    offer = bench.write(asked, content_of(number))

    def work(places: Places) -> object:
        try:
            committed = bench.commit(asked, offer, places)
        except LostAttempt:
            committed = _until_committed(bench, places, asked, number)
        told.setdefault(number, []).append(committed)
        return None

    return [work, work]
