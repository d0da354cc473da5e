"""One disk's chain in memory, through all that is done with it: prepared, written by a real worker,
committed, recorded, expired, pruned and restored.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

from tests.unit.repository.control.log_bench import (
    APPLIANCE,
    MOMENT,
    MemoryHeads,
    TurnedClock,
    run,
    wanting,
)
from tests.unit.repository.control.repository_bench import ALWAYS, VM_ID, finish_all
from tests.unit.repository.data.bench import (
    PARAMETERS,
    Disk,
    Target,
    changes,
    noise,
    ring,
    silent,
)
from tests.unit.repository.data.samples import BLOCK, SHARD
from vmbackup_core.errors import VmbackupError
from vmbackup_core.extents import Extent
from vmbackup_core.ids import CommitSlot, DiskUniqueId, SnapshotUniqueId
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk, prepare_disk
from vmbackup_core.repository.control.chains.chain_header import DiskChain, name_chain, open_chain
from vmbackup_core.repository.control.chains.named_manifests import manifest_of
from vmbackup_core.repository.control.chains.newest import Newest, look_at_newest
from vmbackup_core.repository.control.commits.commits import (
    Commit,
    FoundCommit,
    find_commit,
    seal_commit,
)
from vmbackup_core.repository.control.commits.counting import Counted, recount_what_opens
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.log.log import Author, Log
from vmbackup_core.repository.control.log.log_entries import Claimed, Entry, NewEpoch, Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import PointDisk, RecoveryPoint, open_counted
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.control.retention.expire import begin_expire
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.control.retention.prune import execute
from vmbackup_core.repository.control.retention.prune_plan import (
    LeftAlone,
    PrunePlan,
    Pruning,
    plan_prune,
)
from vmbackup_core.repository.control.retention.stored_manifests import StoredManifests
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.disk_writer import DiskToRead, WrittenDisk, write_disk
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.repository.data.index_reader import IndexReader, open_manifest
from vmbackup_core.repository.data.restore import restore_manifest
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_reading
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.names import commit_name, prefix_of_chain
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Store

DISK = DiskUniqueId("0F3a-Unique")
DISK_BYTES = 2 * SHARD

#: Prepares a disk; tests give one from which a safeguard was taken away.
Prepare = Callable[[Log, Store, DiskAsked], PreparedDisk]


def prepare(log: Log, data: Store, asked: DiskAsked) -> PreparedDisk:
    return prepare_disk(log, data, asked, PARAMETERS)


def content_of(number: int) -> bytes:
    """Return the disk as run *number* sees it: one block more has changed with each."""
    changed = [noise(1000 + each, BLOCK) for each in range(number)]
    return b"".join(changed) + noise(1, DISK_BYTES)[number * BLOCK :]


@dataclass
class ChainBench:
    """A repository with one VM of one disk."""

    places: Places = field(default_factory=lambda: Places(MemoryStore(), MemoryStore()))
    epochs: int = 1
    contents: dict[str, bytes] = field(default_factory=dict)

    def control(self, store: Store | None = None) -> Control:
        return Control(store or self.places.control, ring(self.epochs))

    def log(self, store: Store | None = None) -> Log:
        log = Log(self.control(store), MemoryHeads(), Author(APPLIANCE, APPLIANCE), TurnedClock())
        log.reader.side_by_side = 1
        return log

    def begun(self) -> Self:
        self.say(Claimed(appliance=APPLIANCE, from_=None))
        return self

    def say(self, *entries: Entry) -> None:
        """Append *entries*, of which none is refused."""
        assert self.log().append(wanting(*entries)).refused == ()

    def state(self) -> LogState:
        return self.log().read().state

    def rotate(self, *ended: int) -> None:
        """Begin another epoch."""
        self.epochs += 1
        master = ring(self.epochs).of(self.epochs)
        self.say(NewEpoch(epoch=self.epochs, master_id=master.master_id, ended=ended))

    def asked(self, number: int, base: ManifestAt | None = None) -> DiskAsked:
        return DiskAsked(
            run=run(number),
            snapshot_unique_id=SnapshotUniqueId(f"snapshot-{number}"),
            taken_at=None,
            disk_bytes=DISK_BYTES,
            disk=SaidDisk("disk id", DISK, "data-1", None),
            vm=SaidVm(VM_ID, "Web", "westeurope"),
            base=base,
        )

    def prepared(
        self, number: int, base: ManifestAt | None = None, prepare: Prepare = prepare
    ) -> PreparedDisk:
        return prepare(self.log(), self.places.data, self.asked(number, base))

    def write(self, prepared: PreparedDisk, content: bytes | None = None) -> WrittenDisk:
        """Have a worker write the disk of the prepared run; what it holds is its run's."""
        number = int(prepared.grant.run_id, 16) - int(run(0), 16)
        content = content_of(number) if content is None else content
        before = prepared.grant.base
        extents = [Extent(0, len(content))]
        if before is not None:
            extents = changes(self.contents[before.name], content)
        disk = DiskToRead(Disk(content), extents)
        keys = ChainKeys.parse(prepared.keys.text)
        done = write_disk(self.places.data, keys, prepared.grant, disk, threads=1, progress=silent)
        self.contents[done.manifest] = content
        return done

    def commit(self, prepared: PreparedDisk, done: WrittenDisk) -> FoundCommit | None:
        """Take the slot for what was *done*; None where it is taken. No row of it is looked at."""
        control, chain, slot = self.control(), prepared.chain.chain, prepared.grant.slot
        at = ManifestAt(done.manifest, done.sha256, slot)
        named = parse_data(at.name)
        assert isinstance(named, ManifestName)
        keys = self.keys(prepared.chain)
        manifest = open_manifest(self.places.data, keys, at.name, bytes.fromhex(at.sha256))
        needed = recount_what_opens(
            Counted(manifest, IndexReader(self.places.data, keys, manifest))
        ).entries()
        below = find_commit(control, chain, CommitSlot(slot - 1)) if slot > 1 else None
        commit = Commit(
            chain_id=chain,
            slot=slot,
            kind="backup",
            reason=None,
            run_id=prepared.grant.run_id,
            session=named.session,
            manifest=at.name.removeprefix(prefix_of_chain(chain)),
            manifest_sha256=at.sha256,
            of_slot=slot,
            snapshot_unique_id=prepared.grant.snapshot_unique_id,
            disk_bytes=DISK_BYTES,
            stored_bytes=0,
            previous=None if below is None else below.sha256,
            pack_list=put_list(OpenList.of(control, None, chain), needed, slot, self.epochs),
            locked_until=None,
            by=APPLIANCE,
            at=Time.of(MOMENT),
        )
        if not control.put(seal_commit(control, commit, self.epochs)):
            return None
        return find_commit(control, chain, slot)

    def back_up(
        self,
        number: int,
        base: ManifestAt | None = None,
        *,
        prepare: Prepare = prepare,
        recorded: bool = True,
    ) -> ManifestAt:
        """Take a backup of run *number* to its end, and return its manifest."""
        prepared = self.prepared(number, base, prepare)
        found = self.commit(prepared, self.write(prepared))
        assert found is not None
        if recorded:
            record(self.log(), self.places.data, self.point(number, found))
        at = manifest_of(found)
        assert at is not None
        return at

    def point(self, number: int, found: FoundCommit) -> RecoveryPoint:
        commit = found.commit
        assert commit is not None
        assert commit.manifest is not None
        assert commit.manifest_sha256 is not None
        disk = PointDisk(
            id="disk id",
            name="data-1",
            unique_id=DISK,
            lun=None,
            size_bytes=DISK_BYTES,
            snapshot_id="/snapshots/1",
            snapshot_unique_id=SnapshotUniqueId(f"snapshot-{number}"),
            chain_id=commit.chain_id,
            slot=found.slot,
            commit_sha256=found.sha256,
            manifest=commit.manifest,
            manifest_sha256=commit.manifest_sha256,
            read_bytes=0,
            stored_bytes=0,
        )
        return RecoveryPoint(
            repository_id=self.control().ring.repository,
            run_id=run(number),
            appliance_id=APPLIANCE,
            vm_id=VM_ID,
            vm_name="Web",
            vm_region="westeurope",
            vm_description="{}",
            created_at=Time.of(MOMENT),
            policy_namespace=None,
            policy_name=None,
            retention=ALWAYS,
            kind="full",
            previous=None,
            origin=None,
            disks=(disk,),
        )

    def chain(self) -> DiskChain:
        chain = name_chain(self.control(), self.state(), DISK)
        return open_chain(self.control(), self.places.data, chain, self.state())

    def newest(self) -> Newest:
        looked = look_at_newest(self.control(), self.places.data, self.state(), self.chain())
        assert isinstance(looked, Newest), looked
        return looked

    def keys(self, chain: DiskChain) -> ChainKeys:
        return for_reading(ring(self.epochs), chain.chain, chain.epoch, self.epochs)

    def copied(self) -> ChainBench:
        """Return another that goes its own way from here."""
        return ChainBench(
            Places(_copied(self.places.data), _copied(self.places.control)),
            self.epochs,
            dict(self.contents),
        )

    def seen(self, places: Places) -> ChainBench:
        """Return the same repository as one of several actors sees it."""
        return ChainBench(places, self.epochs, self.contents)

    def let_go(self, number: int) -> None:
        """Have the point of run *number* begin to expire."""
        (entry,) = (each for each in self.state().counted.values() if each.run == run(number))
        begin_expire(self.log(), [entry_of(entry)])

    def finish(self, log: Log | None = None) -> None:
        """Take what is expiring to its end, where it may go."""
        finish_all(log or self.log(), self.places.data)

    def planned(self) -> PrunePlan | LeftAlone:
        manifests = StoredManifests(self.places.data, ring(self.epochs), self.epochs)
        return plan_prune(Pruning(self.log(), self.places.data, manifests), self.chain().chain)

    def prune(self, planned: PrunePlan | LeftAlone | None = None) -> None:
        planned = planned or self.planned()
        if isinstance(planned, PrunePlan):
            manifests = StoredManifests(self.places.data, ring(self.epochs), self.epochs)
            pruning = Pruning(self.log(), self.places.data, manifests)
            assert execute(pruning, planned, lambda: None) == []

    def restored(self, at: ManifestAt) -> bytes:
        """Return the disk as the manifest at *at* has it."""
        named = parse_data(at.name)
        assert isinstance(named, ManifestName)
        control, data = self.control(), self.places.data
        keys = self.keys(open_chain(control, data, named.chain, self.state()))
        manifest = open_manifest(self.places.data, keys, at.name, bytes.fromhex(at.sha256))
        target = Target(manifest.said.disk_bytes)
        restore_manifest(
            self.places.data,
            keys,
            manifest,
            NothingHealed(),
            target,
            keep_going=False,
            threads=1,
            progress=silent,
        )
        return bytes(target.content)

    def complaints(self) -> list[str]:
        """Return what a user would miss of the points that count."""
        return [told for entry in self.state().counted.values() for told in self._lost(entry)]

    def _lost(self, entry: Recorded) -> Iterator[str]:
        try:
            for disk in open_counted(self.control(), entry).disks:
                at = ManifestAt(disk.manifest_name, disk.manifest_sha256, disk.slot)
                if self.restored(at) != self.contents[at.name]:
                    yield f"the point of run {entry.run} restores to something else"
        except VmbackupError as error:
            yield f"the point of run {entry.run}: {error}"

    @staticmethod
    def is_of(told: str, number: int) -> bool:
        """Tell whether a complaint is about the point of run *number*."""
        return told.startswith(f"the point of run {run(number)}")

    def spoil(self, name: str) -> bytes:
        """Damage the object called *name*, and return what it was."""
        store = self.places.data if "/m/" in name or "/i/" in name else self.places.control
        assert isinstance(store, MemoryStore)
        before = store.get(name)
        store.overwrite(name, before[:-1] + bytes([before[-1] ^ 1]))
        return before

    def commit_name(self, slot: int) -> str:
        return commit_name(self.chain().chain, CommitSlot(slot))


def _copied(store: Store) -> MemoryStore:
    copied = MemoryStore()
    for each in store.list(""):
        copied.put_new(each.name, store.get(each.name))
    return copied


def after(calls: int) -> Callable[[int], int]:
    """Let the first make *calls* calls, then the second go to its end, then the first."""
    order = itertools.chain(itertools.repeat(0, calls), itertools.repeat(1))
    return lambda _among: next(order)


def between(calls: int, of_other: int) -> Callable[[int], int]:
    """Let the first make *calls* calls, the second *of_other*, then the first go to its end."""
    order = itertools.chain(
        itertools.repeat(0, calls), itertools.repeat(1, of_other), itertools.repeat(0)
    )
    return lambda _among: next(order)


def killed_after(calls: int) -> Callable[[int], int]:
    """Let one make *calls* calls, and stop it before the next."""
    order = itertools.chain(itertools.repeat(0, calls), itertools.repeat(-1))
    return lambda _among: next(order)


def over_and_over(choices: list[int]) -> Callable[[int], int]:
    """Pick what was drawn, again and again: a short draw is still an interleaving."""
    order = itertools.cycle(choices)
    return lambda _among: next(order)
