"""What of a disk is read: what has changed since its base, or all of it, and then why."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from vmbackup_core.errors import CorruptRepository, PermanentError
from vmbackup_core.extents import Extent, Extents, aligned
from vmbackup_core.protocol import DiskToBackUp, Fallback
from vmbackup_core.repository.data.grants import DiskGrant, ManifestAt
from vmbackup_core.repository.data.index_reader import open_manifest
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.data.sample_back import Sampled
from vmbackup_core.repository.data.sample_outside import SampleOutside
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.stores.port import ObjectUnreadable
from vmbackup_worker.disk_reader import DiskReader
from vmbackup_worker.export_answers import NoDifferences, ServiceFailed
from vmbackup_worker.meter import Meter
from vmbackup_worker.page_listing import Listed, TimedOut
from vmbackup_worker.page_ranges import JOIN_GAP_BYTES, UnreadableList
from vmbackup_worker.source import Export, PredecessorExport


@dataclass(frozen=True, slots=True)
class Plan:
    """One disk as it is read and written: by *grant*, which has a base for an incremental only.

    *extents* are what the writer is to read, *readable* what of it is not known to be zero:
    *to_read* bytes of both. *changed_outside* counts what was found out about the differences.
    """

    grant: DiskGrant
    extents: Extents
    readable: Extents
    to_read: int
    allocated_bytes: int | None = None
    changed_bytes: int | None = None
    changed_outside: int = 0
    fallback: Fallback | None = None

    @property
    def is_incremental(self) -> bool:
        """Whether only what has changed is read."""
        return self.grant.base is not None


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans for one disk; *before* is there where the disk has a base, or deltas are made."""

    store: DataStore
    keys: ChainKeys
    disk: DiskToBackUp
    export: Export
    before: PredecessorExport | None
    meter: Meter
    threads: int

    def plan(self) -> Plan:
        """Return what is to be read: of a disk with a base what has changed, where that is told."""
        base, before = self.disk.grant.base, self.before
        if base is None or before is None:
            return self._whole()
        try:
            plan = self._incremental(self._opened(base), before)
        except NoDifferences as error:
            return replace(self._whole(), fallback=Fallback.of(error.reason, str(error)))
        return plan if plan.fallback is None else self._whole_after(plan)

    def untrue(self, plan: Plan, changed_outside: int) -> Plan:
        """Return what is read of the disk instead, now that its differences proved untrue."""
        said = f"{changed_outside} blocks that were read for another reason have changed too"
        fallback = Fallback.of("DifferencesUntrue", said)
        return self._whole_after(replace(plan, changed_outside=changed_outside, fallback=fallback))

    def _whole_after(self, plan: Plan) -> Plan:
        """Return the same disk read whole, with what is known from *plan*."""
        return replace(
            self._whole(),
            changed_bytes=plan.changed_bytes,
            changed_outside=plan.changed_outside,
            fallback=plan.fallback,
        )

    def _whole(self) -> Plan:
        grant = msgspec.structs.replace(self.disk.grant, base=None)
        listed = self.export.allocated()
        extents = listed.extents
        self.meter.expect_more(self.disk.disk_id, extents.total_bytes)
        return Plan(grant, extents, extents, extents.total_bytes, listed.listed_bytes)

    def _opened(self, base: ManifestAt) -> Manifest:
        try:
            return open_manifest(self.store, self.keys, base.name, bytes.fromhex(base.sha256))
        except (CorruptRepository, ObjectUnreadable) as error:
            raise NoDifferences("BaseUnreadable", str(error)) from error

    def _incremental(self, base: Manifest, before: PredecessorExport) -> Plan:
        plan = self._of(differences(self.export, before, self.disk.grant.disk.name), base)
        disk_id, block_bytes = self.disk.disk_id, plan.grant.parameters.block_bytes
        self.meter.expect_more(disk_id, plan.to_read + self.disk.sample_blocks * block_bytes)
        sampled = self._sample(base, plan)
        self.meter.expect_more(disk_id, plan.to_read)
        if not sampled.differing:
            return plan
        said = f"{len(sampled.differing)} of {sampled.compared} blocks outside have changed too"
        fallback = Fallback.of("DifferencesUntrue", said)
        return replace(plan, changed_outside=len(sampled.differing), fallback=fallback)

    def _of(self, listed: Listed, base: Manifest) -> Plan:
        """Return the plan to read what is listed, and all that is allocated behind the base."""
        grant, base_bytes = self.disk.grant, base.said.disk_bytes
        block_bytes, disk_bytes = grant.parameters.block_bytes, grant.disk_bytes
        changed, cleared = listed.extents, listed.cleared
        if disk_bytes > base_bytes:
            start = base_bytes - base_bytes % block_bytes
            changed, cleared = changed.cut(0, start), cleared.cut(0, start)
            changed.append(self.export.allocated(start).extents)
        whole = aligned(changed, block_bytes, disk_bytes)
        # Of what was cleared, short pieces are quicker read along with what lies around them.
        zero = cleared.of_length(JOIN_GAP_BYTES)
        return Plan(
            grant,
            whole,
            zero.gaps(disk_bytes),
            whole.total_bytes - zero.total_bytes,
            changed_bytes=listed.listed_bytes,
        )

    def _sample(self, base: Manifest, plan: Plan) -> Sampled:
        reader = DiskReader(self.export, plan.readable, self.count_read)
        sample = SampleOutside(self.store, self.keys, base, self.threads)
        disk_bytes, base_bytes = plan.grant.disk_bytes, base.said.disk_bytes
        but = plan.extents
        if disk_bytes < base_bytes:
            whole_blocks = disk_bytes - disk_bytes % plan.grant.parameters.block_bytes
            but = but.cut(0, whole_blocks)
            but.add(Extent(whole_blocks, base_bytes - whole_blocks))
        return sample.compare(reader, but, self.disk.sample_blocks)

    def count_read(self, read: int) -> None:
        """Say that *read* bytes of the disk came from its export."""
        self.meter.count_read(self.disk.disk_id, read)


def differences(export: Export, before: PredecessorExport, name: str) -> Listed:
    """Return what has changed since *before*; raise NoDifferences where that can't be had.

    A way that is lost, or a service that asks for patience, keeps a full read from its bytes, too.
    """
    try:
        return export.changed_since(before)
    except (TimedOut, ServiceFailed, UnreadableList) as error:
        raise _no_differences(error, name) from error
    except PermanentError as error:
        if error.reason != "ExportRefused":
            raise
        raise _no_differences(error, name) from error


def _no_differences(error: Exception, name: str) -> NoDifferences:
    return NoDifferences("DifferencesRefused", str(error).removeprefix(f"{name}: "))
