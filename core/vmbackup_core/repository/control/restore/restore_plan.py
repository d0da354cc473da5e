"""What a worker is given to restore the disks of a point: held, then looked for in the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.chains.holds import Holder, Purpose, release_all
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import (
    Origin,
    PointDisk,
    RecoveryPoint,
    names_of_vm,
    open_counted,
)
from vmbackup_core.repository.control.points.recording import counted_points
from vmbackup_core.repository.control.restore.restoring import (
    Held,
    PointGone,
    Say,
    healed_packs,
    hold_point,
    look_at_commit,
    open_disk,
)
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.healing import HealingPack
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.stores.port import NotStored, Store

#: What one job may name of a disk; the newest are of what was lost last.
HEALED_MOST: Final = 4_000


@dataclass(frozen=True, slots=True)
class RestoreDisk:
    """One disk of the point, and what opens it.

    *keys* are `ChainKeys.text` with data secrets, of the disk's chain alone. *used_bytes* are those
    of the blocks that are not zero: so much is written. *taken_at* is when its snapshot was taken.
    """

    disk: PointDisk
    manifest_name: str
    manifest_sha256: str
    keys: str
    healed: tuple[HealingPack, ...]
    used_bytes: int
    taken_at: Time | None


@dataclass(frozen=True, slots=True)
class RestoreWork:
    """A point that is held and counts, with all that its restore needs; *says* is for people.

    *origin* is what a copy of it says of where it came from.
    """

    point: RecoveryPoint
    disks: tuple[RestoreDisk, ...]
    origin: Origin
    says: tuple[str, ...] = ()


def plan(
    log: Log, data: Store, vm_id: str, run: RunId, holder: RunId, purpose: Purpose = "restore"
) -> RestoreWork:
    """Return what restores the point that *run* made of the VM; twice is once.

    It is held in the name of the run *holder* first and looked for in the log then (S15), and stays
    held until `let_go`. Raise PointGone, or what a disk's manifest is not.
    """
    says: list[str] = []
    by = Holder(holder, purpose, purpose)
    held = hold_point(log, _point(log, vm_id, run), by, says.append)
    disks = tuple(_disk(log.control, data, held, disk, says.append) for disk in held.point.disks)
    return RestoreWork(held.point, disks, _origin(log, held), tuple(says))


def _origin(log: Log, held: Held) -> Origin:
    """Return which point is held, by the digest that the log has of it."""
    first = held.point.disks[0]
    entry = held.state.counted[held.state.counted_places[first.chain_id, first.slot]]
    repository = log.control.ring.repository
    return Origin(repository_id=repository, vm=entry.vm, run_id=entry.run, sha256=entry.sha256)


def let_go(control: Control, holder: RunId) -> None:
    """Delete the holds of *holder*; twice is once."""
    release_all(control, holder)


def _point(log: Log, vm_id: str, run: RunId) -> RecoveryPoint:
    """Return the point as it counts now; once it is held it is looked for again."""
    try:
        return open_counted(log.control, _counted(log, vm_id, run))
    except NotStored as error:
        _counted(log, vm_id, run)  # it may have gone since the log was read
        raise CorruptRepository(f"{error}: it counts, and it is lost") from error


def _counted(log: Log, vm_id: str, run: RunId) -> Recorded:
    entries = counted_points(log.read().state, names_of_vm(log.control, vm_id))
    entry = next((each for each in entries if each.run == run), None)
    if entry is None:
        raise PointGone(run)
    return entry


def _disk(control: Control, data: Store, held: Held, disk: PointDisk, say: Say) -> RestoreDisk:
    look_at_commit(control, disk, say)
    keys, manifest = open_disk(control, data, held.state, disk)
    return RestoreDisk(
        disk=disk,
        manifest_name=disk.manifest_name,
        manifest_sha256=disk.manifest_sha256,
        keys=keys.text,
        healed=tuple(islice(_newest_healed(held.state, disk.chain_id), HEALED_MOST)),
        used_bytes=manifest.lines.used_blocks * manifest.said.block_bytes,
        taken_at=manifest.said.taken_at,
    )


def _newest_healed(state: LogState, chain: ChainId) -> Iterator[HealingPack]:
    return reversed([*healed_packs(state, chain)])
