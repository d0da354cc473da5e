"""Both places in one store, with commits, manifests and points that only control looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import override

from tests.unit.repository.control.log_bench import (
    APPLIANCE,
    MOMENT,
    RING,
    LogBench,
    chain,
    digest,
    numbered,
    run,
)
from vmbackup_core.ids import CommitSlot, DiskUniqueId, SnapshotUniqueId
from vmbackup_core.repository.control.commits.commits import Commit, seal_commit
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import (
    PointDisk,
    RecoveryPoint,
    StampedRetention,
    open_counted,
)
from vmbackup_core.repository.control.retention.expire import Going, begin_expire, finish_some
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.control.retention.sights import Sights
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import manifest_name, point_name, prefix_of_chain
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer, NotStored, ObjectUnreadable, Store, StoredObject

VM_ID = "/subscriptions/S/resourceGroups/R/providers/Microsoft.Compute/virtualMachines/Web"
VM = RING.of(1).vm_name(VM_ID)
ALWAYS = StampedRetention(10_000, 0, 0, 0, 0)


class OldSights(Sights):
    """Everything has been seen long ago."""

    @override
    def age(self, number: int | None) -> timedelta:
        return timedelta(days=2)


def finish_all(log: Log, data: Store, sights: Sights | None = None) -> list[Going]:
    """Delete what may go of all that is expiring; nothing waits where no *sights* are given."""
    return finish_some(log, data, sights or OldSights(), tuple(log.read().state.expiring))


def session(number: int) -> WritingSession:
    return WritingSession(numbered(0xB000 + number))


def manifest_of(number: int, slot: int, chain_number: int = 0) -> str:
    """Return the name of the manifest that run *number* wrote for *slot*."""
    return manifest_name(chain(chain_number), CommitSlot(slot), session(number))


def point_of(number: int, disks: tuple[PointDisk, ...]) -> RecoveryPoint:
    """Return the point that run *number* made of the VM, *number* days after the beginning."""
    return RecoveryPoint(
        repository_id=RING.repository,
        run_id=run(number),
        appliance_id=APPLIANCE,
        vm_id=VM_ID,
        vm_name="Web",
        vm_region="westeurope",
        vm_description="{}",
        created_at=Time.of(MOMENT + timedelta(days=number)),
        policy_namespace="default",
        policy_name="daily",
        retention=ALWAYS,
        kind="full",
        previous=None,
        origin=None,
        disks=disks,
    )


@dataclass
class RepositoryBench(LogBench):
    """A repository of one VM; manifests are a few bytes, which only their names tell apart."""

    def commit(self, number: int, slot: int, chain_number: int = 0) -> str:
        """Put manifest and commit of run *number*, and return the commit's digest."""
        name = manifest_of(number, slot, chain_number)
        named = chain(chain_number)
        self.store.put_new(name, b"manifest")
        commit = Commit(
            chain_id=named,
            slot=CommitSlot(slot),
            kind="backup",
            reason=None,
            run_id=run(number),
            session=session(number),
            manifest=name.removeprefix(prefix_of_chain(named)),
            manifest_sha256=digest(9),
            of_slot=CommitSlot(slot),
            snapshot_unique_id=SnapshotUniqueId(f"snapshot-{number}"),
            disk_bytes=1024,
            stored_bytes=10,
            previous=None,
            pack_list=(),
            locked_until=None,
            by=APPLIANCE,
            at=Time.of(MOMENT),
        )
        made = seal_commit(self.control(), commit, 1)
        assert self.control().put(made)
        return made.sha256

    def point(self, number: int, *disks: tuple[int, str]) -> RecoveryPoint:
        """Return the point of run *number*: for each disk its slot and its commit's digest."""
        return point_of(
            number,
            tuple(
                PointDisk(
                    id=f"/disks/{index}",
                    name=f"disk-{index}",
                    unique_id=DiskUniqueId(f"unique-{index}"),
                    lun=None,
                    size_bytes=1024,
                    snapshot_id="/snapshots/1",
                    snapshot_unique_id=SnapshotUniqueId(f"snapshot-{number}"),
                    chain_id=chain(index),
                    slot=CommitSlot(slot),
                    commit_sha256=sha256,
                    manifest=manifest_of(number, slot, index).removeprefix(
                        prefix_of_chain(chain(index))
                    ),
                    manifest_sha256=digest(9),
                    read_bytes=5,
                    stored_bytes=5,
                )
                for index, (slot, sha256) in enumerate(disks)
            ),
        )

    def committed(self, number: int, slot: int) -> RecoveryPoint:
        """Commit a disk for run *number* and return the point that the run would make."""
        return self.point(number, (slot, self.commit(number, slot)))

    def let_go(self, number: int) -> None:
        """Begin to expire the point of run *number*."""
        entry = self.log().read().state.counted[VM, run(number)]
        begin_expire(self.log(), [entry_of(entry)])

    def finish(self, log: Log | None = None) -> None:
        """Take expire's second half to its end, for what may go."""
        finish_all(log or self.log(), self.store)

    def complaints(self, state: LogState | None = None) -> list[str]:
        """Return what a user would miss of the points that count."""
        state = state or self.log().read().state
        told = []
        for entry in state.counted.values():
            try:
                point = open_counted(self.control(), entry)
            except NotStored:
                told.append(f"point of {entry.run} counts and is not there")
                continue
            told += [
                f"point of {entry.run} has no manifest"
                for disk in point.disks
                if not is_there(self.store, disk.manifest_name)
            ]
        return told


class Passing(MemoryStore):
    """The same objects as *inner*; does *then* once, before the first put that *when* picks."""

    def __init__(
        self, inner: Store, when: Callable[[str], bool], then: Callable[[], object]
    ) -> None:
        self.__dict__.update(inner.__dict__)
        self._when = when
        self._then: Callable[[], object] | None = then

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        then = self._then
        if then is not None and self._when(name):
            self._then = None
            then()
        self.put(name, data)

    def put(self, name: str, data: Buffer) -> None:
        """Put as stores do; tests take the safeguard away here."""
        super().put_new(name, data)


class UnreadableNow(MemoryStore):
    """The same objects as *inner*, of which those with *part* in their names are archived.

    A listing says so where they are *listed* after that.
    """

    def __init__(self, inner: Store, part: str, *, listed: bool = True) -> None:
        self.__dict__.update(inner.__dict__)
        self._part = part
        self._listed = listed

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        if self._part in name:  # by range, too: that is a part of this
            raise ObjectUnreadable(f"reading {name}: BlobArchived", reason="BlobArchived")
        return super().get(name, most=most)

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        for each in super().list(prefix, limit=limit):
            archived = self._listed and self._part in each.name
            yield StoredObject(each.name, each.size_bytes, archived=archived)


def is_point(number: int) -> Callable[[str], bool]:
    return lambda name: name == point_name(VM, run(number))
