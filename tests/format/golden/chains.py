"""A repository in the making: its two places, its log, and the chains of its disks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace
from typing_extensions import override

from tests.format.golden.disks import (
    APPLIANCE,
    AS_USUAL,
    MOMENT,
    PARAMETERS,
    VM_ID,
    Content,
    Disk,
    How,
    Made,
    TurnedClock,
    changed,
    run_of,
    silent,
)
from vmbackup_core.extents import Extent
from vmbackup_core.ids import CommitSlot, DiskUniqueId, RunId
from vmbackup_core.ids import SnapshotUniqueId as Snapshot
from vmbackup_core.repository.control.chains.chain_said import (
    ChainHeader,
    ChainParameters,
    seal_header,
)
from vmbackup_core.repository.control.commits.commits import (
    Commit,
    CommitKind,
    ListPartRef,
    seal_commit,
)
from vmbackup_core.repository.control.commits.counting import Counted, recount
from vmbackup_core.repository.control.commits.pack_list import encode_part
from vmbackup_core.repository.control.log.heads import HeadsOfProcess
from vmbackup_core.repository.control.log.log import Author, Log
from vmbackup_core.repository.control.log.log_entries import Claimed, Entry, Key
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.data.grants import (
    DiskGrant,
    ManifestAt,
)
from vmbackup_core.repository.data.index_reader import IndexReader, open_manifest
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.primitives import chain_keys
from vmbackup_core.repository.primitives.beginning import Beginner, BeginsLog, begin
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.header import PutIfAbsent
from vmbackup_core.repository.primitives.identities import draw
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import (
    list_part_name,
    prefix_of_chain,
    prefix_of_slot,
)
from vmbackup_core.repository.primitives.opening import OpenedKeys, open_keys
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.stores.memory import MemoryStore


class Deletable(MemoryStore):
    """Some commits promise locks, and what they hold is deleted here all the same."""

    @override
    def lock_until(self, name: str, moment: datetime) -> None:
        return


class Chains(BeginsLog):
    """One repository in the making."""

    def __init__(self, key: bytes, put_if_absent: PutIfAbsent) -> None:
        self.data, self.control_place = Deletable(), Deletable()
        self.places = Places(self.data, self.control_place)
        self.clock, self.key = TurnedClock(), UserKey(key)
        self.put_if_absent: PutIfAbsent = put_if_absent
        self.epoch = 1
        begin(self.places, Beginner(self.key, APPLIANCE, put_if_absent), self.clock, self)

    @override
    def begin_log(self, opened: OpenedKeys, appliance: str) -> None:
        self.use(opened)
        key = Key(action="added", fingerprint=opened.key, label="first")
        self.append(Claimed(appliance=appliance, from_=None), key)

    def use(self, opened: OpenedKeys) -> None:
        """Go on with the masters that were opened."""
        self.ring = opened.ring
        self.control = Control(self.control_place, opened.ring)
        self.log = self.log_of(APPLIANCE)

    def open_again(self) -> None:
        """Look for masters that came since."""
        self.use(open_keys(self.places, self.key))

    def log_of(self, appliance: str) -> Log:
        return Log(self.control, HeadsOfProcess(), Author(appliance, appliance), self.clock)

    def append(self, *entries: Entry, by: Log | None = None) -> None:
        appended = (by or self.log).append(lambda _state: entries)
        assert not appended.refused, appended.refused

    def begin_chain(
        self,
        name: str,
        *,
        lun: int | None = None,
        before: Disk | None = None,
        archive: RunId | None = None,
    ) -> Disk:
        """Put the chain header of a disk's first chain, of its next one, or of an archive's."""
        unique_id = DiskUniqueId(f"{name}-5555ABCD")
        generation = 0 if before is None else before.generation + 1
        master = self.ring.of(self.epoch)
        chain = master.chain_name(unique_id, generation)
        if archive is not None:
            chain = master.archive_name(archive, unique_id)
        header = ChainHeader(
            chain_id=chain,
            generation=generation,
            epoch=self.epoch,
            disk_unique_id=unique_id,
            predecessor=None if before is None else before.chain,
            created_by=archive or run_of(1),
            created_at=Time.of(self.clock.now()),
            purpose="live" if archive is None else "archive",
            parameters=ChainParameters.of(PARAMETERS),
        )
        assert self.control.put(seal_header(self.control, header, self.epoch))
        return Disk(name, chain, self.epoch, lun, generation)

    def reader_keys(self, disk: Disk) -> ChainKeys:
        return chain_keys.for_reading(self.ring, disk.chain, disk.epoch, self.epoch)

    def writer_keys(self, disk: Disk, run: RunId, epochs: Sequence[int] = ()) -> ChainKeys:
        runs = [(epoch, run) for epoch in {*epochs, self.epoch}]
        return chain_keys.for_backup(self.ring, disk.chain, disk.epoch, self.epoch, runs)

    def grant(self, disk: Disk, number: int, content: bytes, how: How) -> DiskGrant:
        return DiskGrant(
            generation=disk.generation,
            chain_epoch=disk.epoch,
            parameters=PARAMETERS,
            run_id=run_of(number),
            slot=CommitSlot(disk.slot + 1),
            newest=disk.newest,
            base=disk.newest,
            left=tuple(how.left),
            bad=tuple(how.bad),
            snapshot_unique_id=Snapshot(f"{disk.name}-snapshot-{number}"),
            taken_at=Time.of(MOMENT + timedelta(days=number)),
            disk_bytes=len(content),
            disk=SaidDisk(f"/disks/{disk.name}", disk.unique_id, disk.name, disk.lun),
            vm=SaidVm(VM_ID, "Web", "westeurope"),
            deltas=how.predecessor is not None,
            purpose=how.purpose,
        )

    def back_up(self, disk: Disk, number: int, content: bytes, how: How = AS_USUAL) -> Made:
        """Write what changed and commit it, as run *number*."""
        grant = self.grant(disk, number, content, how)
        keys = self.writer_keys(disk, grant.run_id, [each.epoch for each in how.left])
        extents = changed(disk.content, content) if disk.newest else [Extent(0, len(content))]
        before = None if how.predecessor is None else Content(how.predecessor)
        source = DiskToRead(Content(content), extents, before)
        store = how.store or self.data
        done = write_disk(store, keys, grant, source, threads=1, progress=silent)
        at = ManifestAt(done.manifest, done.sha256, grant.slot)
        return self.commit(disk, number, at, content)

    def manifest(self, disk: Disk, at: ManifestAt) -> Manifest:
        return open_manifest(self.data, self.reader_keys(disk), at.name, bytes.fromhex(at.sha256))

    def pack_list(
        self, disk: Disk, at: ManifestAt, slot: int, part_entries: int
    ) -> tuple[ListPartRef, ...]:
        """Put the pack list of a manifest in parts of so many entries."""
        manifest = self.manifest(disk, at)
        tables = IndexReader(self.data, self.reader_keys(disk), manifest)
        entries = [*recount(Counted(manifest, tables)).entries()]
        drawn, refs = draw(), []
        for part, start in enumerate(range(0, len(entries), part_entries)):
            mine = entries[start : start + part_entries]
            name = list_part_name(disk.chain, CommitSlot(slot), drawn, part)
            made = self.control.seal_bytes("PLST", name, encode_part(mine), self.epoch)
            assert self.control.put(made)
            refs.append(
                ListPartRef(name.removeprefix(prefix_of_chain(disk.chain)), made.sha256, len(mine))
            )
        return tuple(refs)

    def commit(
        self,
        disk: Disk,
        number: int,
        at: ManifestAt,
        content: bytes,
        kind: CommitKind = "backup",
        part_entries: int = 2,
    ) -> Made:
        """Put the commit of a manifest in the next slot."""
        slot, said = disk.slot + 1, self.manifest(disk, at).said
        commit = Commit(
            chain_id=disk.chain,
            slot=CommitSlot(slot),
            kind=kind,
            reason=None,
            run_id=run_of(number),
            session=said.session,
            manifest=at.name.removeprefix(prefix_of_chain(disk.chain)),
            manifest_sha256=at.sha256,
            of_slot=CommitSlot(slot),
            snapshot_unique_id=said.snapshot_unique_id,
            disk_bytes=said.disk_bytes,
            stored_bytes=self.stored_bytes(disk, slot, said.sessions),
            previous=disk.previous,
            pack_list=self.pack_list(disk, at, slot, part_entries),
            locked_until=Time.of(MOMENT + timedelta(days=30)),
            by=APPLIANCE,
            at=Time.of(self.clock.now()),
        )
        self.put_commit(disk, commit)
        disk.newest, disk.content = at, content
        disk.made[slot] = at, content, self.digest(disk)
        return Made(disk, slot)

    def skip(self, disk: Disk, to: int | None, reason: str = "damaged") -> None:
        """Put a skip to the manifest of slot *to*, or to nothing."""
        at, content = (None, b"") if to is None else disk.made[to][:2]
        slot = disk.slot + 1
        commit = Commit(
            chain_id=disk.chain,
            slot=CommitSlot(slot),
            kind="skip",
            reason="retired" if reason == "retired" else "damaged",
            run_id=None,
            session=None,
            manifest=None,
            manifest_sha256=None,
            of_slot=None,
            snapshot_unique_id=None,
            disk_bytes=None,
            stored_bytes=0,
            previous=disk.previous,
            pack_list=(),
            locked_until=None,
            by="cli",
            at=Time.of(self.clock.now()),
        )
        if at is not None:
            said = self.manifest(disk, at).said
            commit = replace(
                commit,
                manifest=at.name.removeprefix(prefix_of_chain(disk.chain)),
                manifest_sha256=at.sha256,
                of_slot=CommitSlot(at.of_slot),
                snapshot_unique_id=said.snapshot_unique_id,
                disk_bytes=said.disk_bytes,
                stored_bytes=self.stored_bytes(disk, at.of_slot, said.sessions),
                pack_list=self.pack_list(disk, at, slot, 4_096),
            )
        self.put_commit(disk, commit)
        disk.newest, disk.content = at, content

    def put_commit(self, disk: Disk, commit: Commit) -> None:
        made = seal_commit(self.control, commit, self.epoch)
        assert self.control.put(made)
        disk.slot, disk.previous = commit.slot, made.sha256

    def digest(self, disk: Disk) -> str:
        assert disk.previous is not None
        return disk.previous

    def stored_bytes(self, disk: Disk, slot: int, sessions: Sequence[str]) -> int:
        """The sum of the sizes of all that a slot's sessions have put."""
        prefixes = [
            prefix_of_slot(disk.chain, folder, CommitSlot(slot)) for folder in ("p", "i", "m")
        ]
        found = (each for prefix in prefixes for each in self.data.list(prefix))
        return sum(each.size_bytes for each in found if any(one in each.name for one in sessions))
