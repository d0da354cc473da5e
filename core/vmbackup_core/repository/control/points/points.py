"""Recovery points: what one says, where it lies, and which count; see section 13 of the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import DiskUniqueId, RepositoryId, RunId, SnapshotUniqueId
from vmbackup_core.repository.control.log.log_entries import (
    Chain,
    Point,
    Recorded,
    RecordedDisk,
    Slot,
)
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.repository.primitives.json_payloads import ID, Digest, Number, Text, Time
from vmbackup_core.repository.primitives.names import point_name, prefix_of_points
from vmbackup_core.repository.primitives.parsed_names import (
    ManifestName,
    PointName,
    name_in_chain,
    parse_control,
    parse_data,
)
from vmbackup_core.retention.in_force import HELD_MOST, Stamp
from vmbackup_core.retention.keeping import InForce
from vmbackup_core.retention.rules import Retention

DESCRIPTION_BYTES: Final = 262_144
DISKS_MOST: Final = 256

Run = Annotated[RunId, ID]


class HeldRetention(msgspec.Struct, frozen=True, rename="camel"):
    """A retention that counts beside the point's own until a moment."""

    rule: Retention
    until: Time


class StampedRetention(Retention, frozen=True, rename="camel", omit_defaults=True):
    """The retention of a point, and those that it has to wait for."""

    held: Annotated[tuple[HeldRetention, ...], msgspec.Meta(max_length=HELD_MOST)] = ()

    @property
    def stamp(self) -> Stamp:
        """What it says of how the point's group is judged."""
        rule = Retention(*(getattr(self, name) for name in Retention.__struct_fields__))
        return Stamp(rule, tuple(InForce(each.rule, each.until) for each in self.held))

    @staticmethod
    def of(stamp: Stamp) -> StampedRetention:
        """Return what a point says that has *stamp*."""
        said = stamp.retention
        own = {name: getattr(said, name) for name in Retention.__struct_fields__}
        return StampedRetention(**own, held=tuple(_held(stamp.held)))


def _held(held: Iterable[InForce]) -> Iterator[HeldRetention]:
    for each in held:
        if each.until is None:
            raise AssertionError("what waits has an end")
        yield HeldRetention(each.retention, Time.of(each.until))


class Origin(msgspec.Struct, frozen=True, rename="camel"):
    """The point that an archived one was copied from."""

    repository_id: Annotated[RepositoryId, ID]
    vm: Annotated[VmId, ID]
    run_id: Run
    sha256: Digest


class PointDisk(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One disk of a recovery point; *lun* is None for the OS disk."""

    id: Text
    name: Text
    unique_id: Annotated[DiskUniqueId, msgspec.Meta(max_length=1024)]
    lun: Number | None
    size_bytes: Number
    snapshot_id: Text
    snapshot_unique_id: Annotated[SnapshotUniqueId, msgspec.Meta(max_length=1024)]
    chain_id: Chain
    slot: Slot
    commit_sha256: Digest
    manifest: Text
    manifest_sha256: Digest
    read_bytes: Number
    stored_bytes: Number

    def __post_init__(self) -> None:
        try:
            self.check_manifest()
        except CorruptRepository as error:
            raise ValueError(str(error)) from error

    @property
    def manifest_name(self) -> str:
        """The whole name of the manifest in data."""
        return name_in_chain(self.chain_id, self.manifest)

    def check_manifest(self) -> None:
        """Raise CorruptRepository unless the manifest is named as one of this slot."""
        named = parse_data(self.manifest_name)
        if not isinstance(named, ManifestName) or named.slot != self.slot:
            raise CorruptRepository(f"{self.manifest} is no manifest of slot {self.slot}")


class RecoveryPoint(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One restorable state of a VM; *created_at* is the latest of its snapshots' times."""

    repository_id: Annotated[RepositoryId, ID]
    run_id: Run
    appliance_id: Text
    vm_id: Text
    vm_name: Text
    vm_region: Text
    vm_description: str
    created_at: Time
    policy_namespace: Text | None
    policy_name: Text | None
    retention: StampedRetention
    kind: Literal["full", "incremental"]
    previous: Digest | None
    origin: Origin | None
    disks: Annotated[tuple[PointDisk, ...], msgspec.Meta(min_length=1, max_length=DISKS_MOST)]

    def __post_init__(self) -> None:
        if len(self.vm_description.encode()) > DESCRIPTION_BYTES:
            raise ValueError(f"a description of the VM of more than {DESCRIPTION_BYTES} bytes")
        if len({disk.chain_id for disk in self.disks}) < len(self.disks):
            raise ValueError("two disks of one chain")

    def commits(self) -> tuple[RecordedDisk, ...]:
        """Return the commits of its disks, as the log names them."""
        return tuple(
            RecordedDisk(disk.chain_id, disk.slot, disk.commit_sha256) for disk in self.disks
        )


class OpenedPoint(msgspec.Struct, frozen=True):
    """A recovery point as it lies there."""

    vm: VmId
    point: RecoveryPoint
    sha256: str

    def entry(self) -> Recorded:
        """Return the entry with which it counts."""
        point = self.point
        return Recorded(
            vm=self.vm,
            run=point.run_id,
            sha256=self.sha256,
            created_at=point.created_at,
            disks=point.commits(),
        )


def open_point(control: Control, named: Point, sha256: str | None = None) -> OpenedPoint:
    """Return the point of *named*; raise NotStored or CorruptRepository.

    *sha256* is the digest that is expected: of several versions it is the one that has it.
    """
    vm, run = named
    found = control.get("PONT", point_name(vm, run), sha256)
    point = control.open("PONT", found, RecoveryPoint)
    if point.run_id != run or point.repository_id != control.ring.repository:
        raise CorruptRepository(
            f"{found.name}: is of run {point.run_id} and repository {point.repository_id}"
        )
    return OpenedPoint(vm, point, found.sha256)


def open_counted(control: Control, entry: Recorded) -> RecoveryPoint:
    """Return the point that counts by *entry*; raise where it is not the one that was recorded."""
    opened = open_point(control, entry.point, entry.sha256)
    if opened.sha256 != entry.sha256:
        raise CorruptRepository(
            f"{point_name(entry.vm, entry.run)}: its digest is {opened.sha256}, "
            f"not {entry.sha256} as recorded"
        )
    return opened.point


def stored_points(control: Control, vm: VmId) -> Iterator[Point]:
    """Yield the points of *vm* that lie there, whether they count or not."""
    for name in control.names(prefix_of_points(vm)):
        parsed = parse_control(name)
        if isinstance(parsed, PointName):
            yield parsed.vm, parsed.run


def names_of_vm(control: Control, arm_id: str) -> tuple[VmId, ...]:
    """Return the names under which points of the VM may lie: one for each epoch that opens."""
    masters = control.ring.masters
    return tuple(masters[epoch].vm_name(arm_id) for epoch in sorted(masters, reverse=True))
