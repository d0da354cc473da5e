"""A disk whose snapshots are backed up one after the other, and what differs between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import msgspec

from tests.unit.worker.data_place import DataPlace
from tests.unit.worker.export_host import ExportHost, export_host
from tests.unit.worker.one_disk import Case
from tests.worlds.hand_made_grants import HandMadeChain, committed
from vmbackup_core.ids import RunId
from vmbackup_core.protocol import DiskDone, DiskToBackUp
from vmbackup_core.repository.data.grants import ManifestAt

#: What Azure counts in, and what the tests' disks are written in.
GRANULE = 4096
Ranges = list[tuple[int, int]]


def allocated(content: bytes) -> Ranges:
    """Return the first and the last byte of each run of granules that hold something."""
    return joined(
        (at, min(at + GRANULE, len(content)))
        for at in range(0, len(content), GRANULE)
        if any(content[at : at + GRANULE])
    )


def differences(before: bytes, now: bytes) -> list[tuple[int, int, bool]]:
    """Return what a service tells of two snapshots: what was written, and what was cleared."""
    written, cleared = list[tuple[int, int]](), list[tuple[int, int]]()
    for at in range(0, len(now), GRANULE):
        old, new = before[at : at + GRANULE], now[at : at + GRANULE]
        if old.ljust(len(new), b"\0") != new:
            (written if any(new) else cleared).append((at, at + len(new)))
    found = [(*each, False) for each in joined(written)]
    return sorted(found + [(*each, True) for each in joined(cleared)])


def joined(runs: Iterator[tuple[int, int]] | Ranges) -> Ranges:
    """Return *runs* with inclusive ends, those that touch as one."""
    found: Ranges = []
    for start, end in runs:
        if found and found[-1][1] + 1 == start:
            found[-1] = (found[-1][0], end - 1)
        else:
            found.append((start, end - 1))
    return found


class Disk:
    """Its exports, one for each snapshot, and the chain in memory that they are written to."""

    def __init__(self, hosts: ExitStack) -> None:
        self._hosts = hosts
        self.place = DataPlace()
        self.exports: list[ExportHost] = []
        self.manifests: list[ManifestAt] = []

    @property
    def now(self) -> ExportHost:
        """The newest snapshot's export."""
        return self.exports[-1]

    def snapshot(self, content: bytes) -> ExportHost:
        """Have a snapshot with this content, and the truth about what differs."""
        host = self._hosts.enter_context(export_host(content, allocated(content)))
        host.sas = f"sig=snapshot-{len(self.exports)}"
        if self.exports:
            host.predecessor = self.now
            host.differences = differences(self.now.disk, content)
        self.exports.append(host)
        return host

    def case(self) -> Case:
        """Return a job's world for the newest snapshot."""
        case = Case(self.now)
        case.place = self.place
        case.chain = HandMadeChain("one", len(self.now.disk))
        return case

    def asked(
        self,
        *,
        base: ManifestAt | None = None,
        newest: ManifestAt | None = None,
        deltas: bool = False,
        sample: int = 0,
    ) -> DiskToBackUp:
        """Return the newest snapshot as an incremental's job has it; it counts from the last."""
        slot = len(self.exports)
        newest = newest or self.manifests[-1]
        chain = HandMadeChain("one", len(self.now.disk))
        grant = chain.grant(RunId(f"{slot:032x}"), slot, newest=newest, deltas=deltas)
        grant = msgspec.structs.replace(grant, base=base or newest)
        disk = chain.disk(grant, self.now.url, self.exports[-2].url)
        return msgspec.structs.replace(disk, sample_blocks=sample)

    def back_up(self, disk: DiskToBackUp | None = None, case: Case | None = None) -> DiskDone:
        """Back the newest snapshot up, and commit what the worker tells."""
        case = case or self.case()
        if disk is None:
            chain, slot = case.chain, len(self.exports)
            disk = (
                self.asked()
                if self.manifests
                else chain.disk(chain.grant(RunId(f"{slot:032x}"), slot), self.now.url)
            )
        done = case.run(disk)
        self.manifests.append(committed(done, disk.grant.slot))
        assert case.chain.restored(self.place, done) == self.now.disk
        return done

    def changed(self, change: Callable[[bytearray], None]) -> ExportHost:
        """Have a snapshot of the disk as *change* leaves it."""
        content = bytearray(self.now.disk)
        change(content)
        return self.snapshot(bytes(content))
