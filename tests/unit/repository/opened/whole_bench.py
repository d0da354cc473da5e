"""A whole repository behind its façade: disks written by what workers run, points that count."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace as altered

from tests.unit.repository.control.log_bench import MOMENT, TurnedClock, numbered
from tests.unit.repository.control.repository_bench import OldSights
from tests.unit.repository.data.bench import PARAMETERS, Disk, Target, noise, silent
from tests.unit.repository.primitives.keepers import A
from vmbackup_core.errors import LostAttempt
from vmbackup_core.extents import Extent
from vmbackup_core.ids import DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.control.chains.holds import Holder
from vmbackup_core.repository.control.commits.locking import Keep
from vmbackup_core.repository.control.log.heads import Heads, HeadsOfProcess
from vmbackup_core.repository.control.log.log import Author
from vmbackup_core.repository.control.points.points import (
    PointDisk,
    RecoveryPoint,
    StampedRetention,
)
from vmbackup_core.repository.control.retention.expire import Going
from vmbackup_core.repository.control.retention.sights import Sights
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.data.disk_writer import DiskToRead, WrittenDisk, write_disk
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.opened import OpenedRepository, begin_repository, open_repository
from vmbackup_core.repository.opened_log import Using
from vmbackup_core.repository.opened_upkeep import Upkeep
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.parsed_names import name_in_chain
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_core.stores.directory import DirectoryStore
from vmbackup_core.stores.memory import MemoryStore

APPLIANCE = "appliance-a"
VM_ID = "/subscriptions/S/resourceGroups/R/providers/Microsoft.Compute/virtualMachines/Web"
KEEP = StampedRetention(1, 0, 0, 0, 0)


def run_of(number: int) -> RunId:
    return RunId(numbered(0xA000 + number))


def in_memory() -> Places:
    return Places(MemoryStore(), MemoryStore())


def in_folder(root: Path) -> Places:
    return Places(DirectoryStore(root / "data"), DirectoryStore(root / "control"))


def holder(number: int = 1) -> Holder:
    return Holder(numbered(0xD000 + number), "restore", "a test")


def finish_all(upkeep: Upkeep, sights: Sights | None = None) -> list[Going]:
    """Delete what may go of all that is expiring; nothing waits where no *sights* are given."""
    return upkeep.finish_some(sights or OldSights(), tuple(upkeep.expiring()))


@dataclass
class WholeBench:
    """One VM's repository; what was backed up is kept beside it, to be compared.

    Disks are written through *writer*, which is the data place where nothing else is given.
    """

    places: Places = field(default_factory=in_memory)
    writer: DataStore | None = None
    key: UserKey = A
    heads: Heads = field(default_factory=HeadsOfProcess)
    disks: dict[tuple[RunId, str], bytes] = field(default_factory=dict)
    clock: TurnedClock = field(default_factory=TurnedClock)
    keep: Keep | None = None

    def run(self, number: int) -> RunId:
        """Return the id of run *number*."""
        return run_of(number)

    def using(self, appliance: str | None = APPLIANCE, heads: Heads | None = None) -> Using:
        author = None if appliance is None else Author(appliance, appliance)
        # One reader: who acts over stores that take turns makes one call at a time.
        return Using(author, self.clock, heads or self.heads, readers=1)

    def begun(self) -> OpenedRepository:
        return begin_repository(self.places, self.key, self.using(), "native")

    def opened(
        self,
        places: Places | None = None,
        *,
        key: UserKey | None = None,
        appliance: str | None = APPLIANCE,
        heads: Heads | None = None,
    ) -> OpenedRepository:
        using = self.using(appliance, heads)
        return open_repository(places or self.places, key or self.key, using)

    def copied(self) -> WholeBench:
        """Return the same repository in places of its own."""
        places = in_memory()
        for ours, copy in zip(self.places.both(), places.both(), strict=True):
            for each in ours.list(""):
                copy.put_new(each.name, ours.get(each.name))
        return WholeBench(places, key=self.key, disks=self.disks)

    def back_up(
        self, number: int, disks: Mapping[str, bytes], *, vm_id: str = VM_ID, **changes: object
    ) -> RecoveryPoint:
        """Back *disks* up as run *number*, and have the point count, of which *changes* differ."""
        repository = self.opened()
        lines = [self.line_of(repository, number, name, content) for name, content in disks.items()]
        for line in lines:
            found = repository.find_committed(self.asked(number, line.name, disks[line.name]))
            assert found is not None
            assert found.sha256 == line.commit_sha256
        point = altered(self.point(repository, number, lines, vm_id), **changes)
        repository.record(point)
        return point

    def commit_only(self, number: int, name: str, content: bytes) -> None:
        """Have run *number* commit a disk, and make no point."""
        self.line_of(self.opened(), number, name, content)

    def point(
        self,
        repository: OpenedRepository,
        number: int,
        disks: Sequence[PointDisk],
        vm_id: str = VM_ID,
    ) -> RecoveryPoint:
        return RecoveryPoint(
            repository_id=repository.repository_id,
            run_id=self.run(number),
            appliance_id=APPLIANCE,
            vm_id=vm_id,
            vm_name=vm_id.rpartition("/")[2],
            vm_region="westeurope",
            vm_description="{}",
            created_at=Time.of(MOMENT + timedelta(days=number)),
            policy_namespace=None,
            policy_name=None,
            retention=KEEP,
            kind="full",
            previous=None,
            origin=None,
            disks=tuple(disks),
        )

    def asked(self, number: int, name: str, content: bytes) -> DiskAsked:
        return DiskAsked(
            run=self.run(number),
            snapshot_unique_id=SnapshotUniqueId(f"snapshot-{number}-{name}"),
            taken_at=None,
            disk_bytes=len(content),
            disk=SaidDisk(f"/disks/{name}", f"Unique-{name}", name, None),
            vm=SaidVm(VM_ID, "Web", "westeurope"),
        )

    def restored(
        self, point: RecoveryPoint, repository: OpenedRepository | None = None
    ) -> list[str]:
        """Restore *point* and return what is other than what was backed up."""
        repository = repository or self.opened()
        complaints = []
        with repository.held(point, holder()) as there:
            for disk in point.disks:
                sink = Target(disk.size_bytes)
                repository.restore_disk(there, disk, sink, threads=1)
                if bytes(sink.content) != self.disks[point.run_id, disk.name]:
                    complaints.append(f"{disk.name} of {point.run_id} differs")
        return complaints

    def write(self, prepared: PreparedDisk, content: bytes) -> WrittenDisk:
        """Do what a worker does: write the disk and return what may be committed."""
        to_read = DiskToRead(Disk(content), [Extent(0, len(content))], None)
        data, keys = self.writer or self.places.data, prepared.keys
        return write_disk(data, keys, prepared.grant, to_read, threads=1, progress=silent)

    def _is_let_go(self, repository: OpenedRepository, committed: CommittedDisk) -> bool:
        """Tell whether somebody beside has let the commit expire, or has deleted it since."""
        expiring = repository.log.read().state.expiring_places
        manifest = name_in_chain(committed.chain, committed.manifest)
        return (committed.chain, committed.slot) in expiring or not is_there(
            self.places.data, manifest
        )

    def line_of(
        self, repository: OpenedRepository, number: int, name: str, content: bytes
    ) -> PointDisk:
        asked = self.asked(number, name, content)
        prepared = repository.prepare_disk(asked, PARAMETERS)
        done = self.write(prepared, content)
        self.disks[asked.run, name] = content
        committed = repository.commit_disk(asked, done.manifest, done.sha256, self.keep)
        found = repository.find_committed(asked)
        if found != committed and self._is_let_go(repository, committed):
            raise LostAttempt("what was committed has been let go", reason="CommitExpired")
        assert found == committed
        return PointDisk(
            id=asked.disk.id,
            name=name,
            unique_id=DiskUniqueId(asked.disk.unique_id),
            lun=None,
            size_bytes=len(content),
            snapshot_id=f"/snapshots/{number}",
            snapshot_unique_id=asked.snapshot_unique_id,
            chain_id=committed.chain,
            slot=committed.slot,
            commit_sha256=committed.sha256,
            manifest=committed.manifest,
            manifest_sha256=committed.manifest_sha256,
            read_bytes=committed.statistics.read_bytes,
            stored_bytes=committed.stored_bytes,
        )


def some_disks(number: int) -> dict[str, bytes]:
    """Return two disks, one of which is mostly zero."""
    return {"os": noise(number, 40 * 4096), "data": bytes(30 * 4096) + noise(number + 50, 8192)}


def replace(store: MemoryStore | object, name: str, content: bytes) -> None:
    """Have *content* lie under *name*, as damage does."""
    assert isinstance(store, MemoryStore)
    store.overwrite(name, content)


def everything(places: Places) -> dict[str, str]:
    """Return the digest of every object of both places."""
    return {
        f"{place}: {each.name}": hashlib.sha256(store.get(each.name)).hexdigest()
        for place, store in (("data", places.data), ("control", places.control))
        for each in store.list("")
    }
