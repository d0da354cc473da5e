"""A whole repository in memory: two disks of a VM, written, committed and recorded by real code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.unit.repository.control.log_bench import (
    APPLIANCE,
    MOMENT,
    RING,
    MemoryHeads,
    TurnedClock,
    run,
    wanting,
)
from tests.unit.repository.control.repository_bench import VM, VM_ID, point_of
from tests.unit.repository.data.bench import (
    Disk,
    Target,
    changes,
    noise,
    silent,
)
from tests.unit.repository.data.samples import BLOCK
from tests.unit.repository.known_values import REPOSITORY, USER_KEY
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId, CommitSlot, DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.repository.control.chains.chain_header import ensure_chain
from vmbackup_core.repository.control.chains.holds import Holder, hold
from vmbackup_core.repository.control.check import CheckReport, check
from vmbackup_core.repository.control.commits.commits import Commit, newest, seal_commit
from vmbackup_core.repository.control.commits.counting import Counted, change, recount
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.commits.pack_list import ListEntry
from vmbackup_core.repository.control.log.heads import Head, Heads
from vmbackup_core.repository.control.log.log import Author, Log
from vmbackup_core.repository.control.log.log_entries import Claimed, Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import PointDisk, open_counted
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.block_reader import Healed
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.data.grants import BadObject, DiskGrant, ManifestAt, Parameters
from vmbackup_core.repository.data.healing import HealingIndex, HealingPack
from vmbackup_core.repository.data.index_reader import IndexReader, open_manifest
from vmbackup_core.repository.data.restore import Holes, restore_manifest
from vmbackup_core.repository.data.said import MIB, SaidDisk, SaidVm
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_backup, for_reading
from vmbackup_core.repository.primitives.header import Header, encode_header
from vmbackup_core.repository.primitives.identities import Fingerprint
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import HEADER, prefix_of_chain, wrap_name
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.repository.primitives.wraps import make_wrap
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import NotStored

KEY = UserKey(USER_KEY)
SHARD = 8 * BLOCK
PARAMETERS = Parameters(BLOCK, SHARD, MIB)


class Stored(MemoryStore):
    """A place whose objects can be copied, and named in the order in which they were put."""

    def copy(self) -> Stored:
        copied = Stored()
        copied._objects = dict(self._objects)
        copied._names = list(self._names)
        return copied

    def in_order(self) -> list[str]:
        return list(self._objects)


def disk_of(index: int) -> DiskUniqueId:
    return DiskUniqueId(f"11111111-2222-3333-4444-55555555000{index}")


def chain_of(index: int) -> ChainId:
    return RING.of(1).chain_name(disk_of(index), 0)


@dataclass(frozen=True, slots=True)
class Committed:
    """A disk's newest commit, and what was backed up by it."""

    at: ManifestAt
    content: bytes


@dataclass
class Whole:
    """A repository of one VM, whose log repeats its state with every third object."""

    data: Stored = field(default_factory=Stored)
    store: Stored = field(default_factory=Stored)
    committed: dict[int, Committed] = field(default_factory=dict)
    contents: dict[RunId, list[bytes]] = field(default_factory=dict)

    @property
    def control(self) -> Control:
        return Control(self.store, RING)

    @property
    def places(self) -> Places:
        return Places(self.data, self.store)

    def copy(self) -> Whole:
        return Whole(self.data.copy(), self.store.copy(), dict(self.committed), self.contents)

    def log(self, heads: Heads | None = None, store: MemoryStore | None = None) -> Log:
        control = Control(store or self.store, RING)
        log = Log(control, heads or MemoryHeads(), Author(APPLIANCE, APPLIANCE), TurnedClock())
        log.reader.state_every, log.reader.side_by_side = 3, 1
        return log

    def begin(self) -> Whole:
        master = RING.of(1)
        header = Header(REPOSITORY, 1, master.master_id, APPLIANCE, Time.of(MOMENT), "native")
        stored, wrap = encode_header(header, master), make_wrap(KEY, master)
        for store in self.places.both():
            store.put_new(wrap_name(1, Fingerprint(KEY.fingerprint)), wrap)
            store.put_new(HEADER, stored)
        self.log().append(wanting(Claimed(appliance=APPLIANCE, from_=None)))
        return self

    def reader_keys(self, index: int) -> ChainKeys:
        return for_reading(RING, chain_of(index), 1, 1)

    def back_up(
        self,
        number: int,
        *contents: bytes,
        deltas: bool = False,
        bad: Sequence[BadObject] = (),
        recorded: bool = True,
    ) -> None:
        """Back all disks up by run *number* and have its point count."""
        disks = [
            self._commit(number, index, content, deltas=deltas, bad=bad)
            for index, content in enumerate(contents)
        ]
        if recorded:
            self.contents[run(number)] = list(contents)
            record(self.log(), self.data, point_of(number, tuple(disks)))

    def _commit(
        self, number: int, index: int, content: bytes, *, deltas: bool, bad: Sequence[BadObject]
    ) -> PointDisk:
        at = self.write(number, index, content, deltas=deltas, bad=bad)
        sha256 = self._put_commit(number, index, at, len(content))
        self.committed[index] = Committed(at, content)
        return _point_disk(number, index, at, sha256, len(content))

    def write(
        self,
        number: int,
        index: int,
        content: bytes,
        *,
        deltas: bool = False,
        bad: Sequence[BadObject] = (),
    ) -> ManifestAt:
        """Write a disk for the next slot, as a worker does; it is not committed."""
        chain, before = chain_of(index), self.committed.get(index)
        ensure_chain(self.log(), self.data, disk_of(index), run(number), PARAMETERS)
        there = newest(self.control, chain)
        slot = CommitSlot(1 if there is None else there.slot + 1)
        grant = DiskGrant(
            generation=0,
            chain_epoch=1,
            parameters=PARAMETERS,
            run_id=run(number),
            slot=slot,
            newest=None if before is None else before.at,
            base=None if before is None else before.at,
            bad=tuple(bad),
            snapshot_unique_id=SnapshotUniqueId(f"snapshot-{number}"),
            taken_at=None,
            disk_bytes=len(content),
            disk=SaidDisk(f"/disks/{index}", disk_of(index), f"disk-{index}", None),
            vm=SaidVm(VM_ID, "Web", "westeurope"),
            deltas=deltas,
        )
        extents = [Extent(0, len(content))]
        if before is not None:
            extents = changes(before.content, content)
        old = Disk(before.content) if before is not None and deltas else None
        keys = for_backup(RING, chain, 1, 1, [(1, run(number))])
        done = write_disk(
            self.data,
            keys,
            grant,
            DiskToRead(Disk(content), extents, old),
            threads=1,
            progress=silent,
        )
        return ManifestAt(done.manifest, done.sha256, slot)

    def _put_commit(self, number: int, index: int, at: ManifestAt, disk_bytes: int) -> str:
        chain, control = chain_of(index), self.control
        there = newest(control, chain)
        before = OpenList.of(control, None if there is None else there.commit, chain)
        named = parse_data(at.name)
        assert isinstance(named, ManifestName)
        commit = Commit(
            chain_id=chain,
            slot=CommitSlot(at.of_slot),
            kind="backup",
            reason=None,
            run_id=run(number),
            session=named.session,
            manifest=at.name.removeprefix(prefix_of_chain(chain)),
            manifest_sha256=at.sha256,
            of_slot=CommitSlot(at.of_slot),
            snapshot_unique_id=SnapshotUniqueId(f"snapshot-{number}"),
            disk_bytes=disk_bytes,
            stored_bytes=10,
            previous=None if there is None else there.sha256,
            pack_list=put_list(before, self._changed(index, at), CommitSlot(at.of_slot), 1),
            locked_until=None,
            by=APPLIANCE,
            at=Time.of(MOMENT),
        )
        made = seal_commit(control, commit, 1)
        assert control.put(made)
        return made.sha256

    def _changed(self, index: int, at: ManifestAt) -> list[ListEntry]:
        known = self.committed.get(index)
        after = self.counted(index, at)
        if known is None:
            return [*recount(after).entries()]
        return [*change(self.counted(index, known.at), after)]

    def counted(self, index: int, at: ManifestAt) -> Counted:
        keys = self.reader_keys(index)
        manifest = open_manifest(self.data, keys, at.name, bytes.fromhex(at.sha256))
        return Counted(manifest, IndexReader(self.data, keys, manifest))

    def check(
        self,
        *,
        read_data: bool = True,
        expect_head: Head | None = None,
        log: Log | None = None,
        data: MemoryStore | None = None,
        threads: int = 1,
    ) -> CheckReport:
        return check(
            log or self.log(),
            data or self.data,
            read_data=read_data,
            progress=silent,
            on_look=lambda: None,
            expect_head=expect_head,
            threads=threads,
        )

    def entry_of(self, number: int) -> Recorded:
        return self.log().read().state.counted[VM, run(number)]

    def restored(self, entry: Recorded, state: LogState) -> dict[int, tuple[bytes, Holes]] | None:
        """Return what restoring the point that counts by *entry* gives for each disk.

        None where the point does not open; a disk whose manifest does not open is left out.
        """
        try:
            point = open_counted(self.control, entry)
        except (CorruptRepository, NotStored):
            return None
        found: dict[int, tuple[bytes, Holes]] = {}
        for disk in point.disks:
            index = int(disk.name.removeprefix("disk-"))
            restored = self._restored(index, disk, state)
            if restored is not None:
                found[index] = restored
        return found

    def _restored(self, index: int, disk: PointDisk, state: LogState) -> tuple[bytes, Holes] | None:
        keys = self.reader_keys(index)
        try:
            digest = bytes.fromhex(disk.manifest_sha256)
            manifest = open_manifest(self.data, keys, disk.manifest_name, digest)
        except CorruptRepository:
            return None
        target = Target(disk.size_bytes)
        holes = restore_manifest(
            self.data,
            keys,
            manifest,
            self.healed(index, state),
            target,
            keep_going=True,
            threads=1,
            progress=silent,
        )
        return bytes(target.content), holes

    def healed(self, index: int, state: LogState) -> Healed:
        packs = [
            HealingPack(entry.session, each.number, each.size, bytes.fromhex(each.foot_sha256))
            for entry in state.healed.values()
            if entry.chain == chain_of(index) and entry.phase == "done"
            for each in entry.packs
        ]
        return HealingIndex.load(self.data, self.reader_keys(index), packs)


def _point_disk(number: int, index: int, at: ManifestAt, sha256: str, size: int) -> PointDisk:
    return PointDisk(
        id=f"/disks/{index}",
        name=f"disk-{index}",
        unique_id=disk_of(index),
        lun=None,
        size_bytes=size,
        snapshot_id=f"/snapshots/{number}",
        snapshot_unique_id=SnapshotUniqueId(f"snapshot-{number}"),
        chain_id=chain_of(index),
        slot=CommitSlot(at.of_slot),
        commit_sha256=sha256,
        manifest=at.name.removeprefix(prefix_of_chain(chain_of(index))),
        manifest_sha256=at.sha256,
        read_bytes=5,
        stored_bytes=5,
    )


def changed(content: bytes, seed: int, *blocks: int) -> bytes:
    """Return *content* with other *blocks*."""
    made = bytearray(content)
    for block in blocks:
        at = block * BLOCK
        made[at : at + BLOCK] = noise(seed + block, BLOCK)[: len(made) - at]
    return bytes(made)


def little() -> Whole:
    """Three points of one disk of two shards: a full, a patch, and deltas."""
    whole = Whole().begin()
    content = noise(1, SHARD + 3 * BLOCK - 100)
    whole.back_up(1, content)
    content = changed(content, 100, 3)
    whole.back_up(2, content)
    nearly = bytearray(content)
    nearly[6 * BLOCK + 7] ^= 1
    whole.back_up(3, bytes(nearly), deltas=True)
    places = [(chain_of(0), CommitSlot(2))]
    hold(whole.control, places, Holder(run(77), "verify", "a test"), MOMENT)
    return whole


def filled() -> Whole:
    """Four points of two disks: a full, a patch, a patch with deltas, and a new base."""
    whole = Whole().begin()
    first = noise(1, 3 * SHARD - 100)
    other = noise(2, SHARD) + bytes(SHARD) + b"text" * (SHARD // 8)
    whole.back_up(1, first, other)
    first = changed(first, 100, 3, 9)
    whole.back_up(2, first, other)
    nearly = bytearray(first)
    for at in range(5 * BLOCK, 7 * BLOCK, 700):
        nearly[at] ^= 1
    first, other = bytes(nearly), changed(other, 300, 2)
    whole.back_up(3, first, other, deltas=True)
    first = changed(first, 400, *range(6, 17))
    whole.back_up(4, first, other)
    places = [(chain_of(0), CommitSlot(2)), (chain_of(1), CommitSlot(1))]
    hold(whole.control, places, Holder(run(77), "verify", "a test"), MOMENT)
    return whole
