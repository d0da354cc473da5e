"""Restoring the disks of a point that counts: held, then looked for in the log; section 33."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError
from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.chains.holds import Holder, hold, release
from vmbackup_core.repository.control.chains.manifest_versions import open_manifest_kept
from vmbackup_core.repository.control.commits.commits import find_commit
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Place
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import PointDisk, RecoveryPoint, open_counted
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.data.copied_packs import CopiedPacks
from vmbackup_core.repository.data.healing import HealingIndex, HealingPack
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.named_disk import NamedDisk, Patient
from vmbackup_core.repository.data.restore import Holes, OnHole, restore_manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_prune, for_reading
from vmbackup_core.repository.transfer import DiskSink, OnProgress
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored, ObjectUnreadable, Store

#: Is told what a person should know although the restore goes on.
Say = Callable[[str], None]


class PointGone(PermanentError):
    """The point stopped to count before it was held."""

    def __init__(self, run: RunId) -> None:
        super().__init__(
            f"the recovery point of run {run} counts no longer: it has expired, and what it needs "
            "goes. Choose another one",
            reason="RecoveryPointExpired",
        )


@dataclass(frozen=True, slots=True)
class Held:
    """A point whose manifests are kept, and what the log said behind that."""

    point: RecoveryPoint
    state: LogState
    holder: Holder
    places: tuple[Place, ...]


def hold_point(log: Log, point: RecoveryPoint, holder: Holder, say: Say) -> Held:
    """Keep the manifests of *point* until `let_go`; raise PointGone.

    The holds come first, then the log; expire looks the other way round, and one of the two sees
    the other (S15). Who may not hold goes on: he has a day (S16).
    """
    put: list[Place] = []
    try:
        _hold(log, point, holder, put, say)
        state = log.read().state
        _check_counts(log.control, state, point)
    except BaseException:
        _release(log.control, put, holder, say)
        raise
    return Held(point, state, holder, tuple(put))


def let_go(control: Control, held: Held, say: Say) -> None:
    """Delete the holds; where that fails it is said."""
    _release(control, held.places, held.holder, say)


@contextmanager
def held(log: Log, point: RecoveryPoint, holder: Holder, say: Say) -> Iterator[Held]:
    """Keep the manifests of *point* while its disks are read."""
    there = hold_point(log, point, holder, say)
    try:
        yield there
    finally:
        let_go(log.control, there, say)


def restore_disk(  # noqa: PLR0913 - what, where to, how
    control: Control,
    data: Store,
    there: Held,
    disk: PointDisk,
    sink: DiskSink,
    *,
    threads: int,
    progress: OnProgress,
    say: Say,
    on_hole: OnHole | None = None,
) -> Holes:
    """Write *disk* of the point that is held into *sink*; return what is missing of it.

    Without *on_hole* the first block that is lost ends it; a manifest that does not open does in
    any case. Each object is the one whose digest its referrer has.
    """
    look_at_commit(control, disk, say)
    source = Patient(CopiedPacks(data, there.point.run_id))
    keys, manifest = open_disk(control, data, there.state, disk)
    healed = HealingIndex.load(source, keys, healed_packs(there.state, disk.chain_id))
    return restore_manifest(
        source,
        keys,
        manifest,
        healed,
        sink,
        keep_going=on_hole is not None,
        threads=threads,
        progress=progress,
        on_hole=on_hole,
    )


def _hold(log: Log, point: RecoveryPoint, holder: Holder, put: list[Place], say: Say) -> None:
    """Put the holds, and in *put* where there may be one: an answer can be lost."""
    try:
        for disk in point.disks:
            put.append((disk.chain_id, disk.slot))
            hold(log.control, put[-1:], holder, log.clock.now())
    except PermanentError as error:
        put.pop()
        say(
            f"what is restored could not be held ({error}): where it expires meanwhile, it may be "
            "deleted a day later"
        )


def _release(control: Control, put: Sequence[Place], holder: Holder, say: Say) -> None:
    try:
        release(control, list(put), holder.id)
    except (PermanentError, TransientError) as error:
        say(f"the holds of {holder.id} stay until somebody removes them: {error}")


def _check_counts(control: Control, state: LogState, point: RecoveryPoint) -> None:
    first = point.disks[0]
    named = state.counted_places.get((first.chain_id, first.slot))
    if named is None or named[1] != point.run_id:
        raise PointGone(point.run_id)
    try:
        recorded = open_counted(control, state.counted[named])
    except NotStored as error:
        raise CorruptRepository(f"{error}: it counts, and it is lost") from error
    if recorded != point:
        raise CorruptRepository(f"the recovery point of run {point.run_id} is not the one recorded")


def look_at_commit(control: Control, disk: PointDisk, say: Say) -> None:
    """Say where the commit does not prove the manifest any more: the point does so by itself."""
    try:
        found = find_commit(control, disk.chain_id, disk.slot)
    except UNREADABLE_NOW as error:
        say(f"{disk.name}: its commit cannot be read, the recovery point is believed: {error}")
        return
    if found is None or found.sha256 != disk.commit_sha256 or found.commit is None:
        what = "lost" if found is None else "damaged"
        say(
            f"{disk.name}: the commit in slot {disk.slot} of chain {disk.chain_id} is {what}, the "
            "recovery point is believed"
        )
        return
    named = found.commit.manifest_name, found.commit.manifest_sha256
    if named != (disk.manifest_name, disk.manifest_sha256):
        raise CorruptRepository(
            f"{disk.name}: its recovery point has {disk.manifest_name}, its commit {named[0]}"
        )


def open_disk(
    control: Control, data: Store, state: LogState, disk: PointDisk
) -> tuple[ChainKeys, Manifest]:
    """Return the manifest, which is of the disk that the point says, and the keys of its chain."""
    metadata = for_prune(control.ring, disk.chain_id, state.newest_epoch)
    try:
        manifest = open_manifest_kept(data, metadata, disk.manifest_name, disk.manifest_sha256)
    except ObjectUnreadable as error:
        raise CorruptRepository(str(error)) from error
    said = NamedDisk(disk.name, disk.slot, disk.unique_id, disk.snapshot_unique_id, disk.size_bytes)
    said.check(disk.manifest_name, manifest)
    begun = manifest.said.chain_epoch
    return for_reading(control.ring, disk.chain_id, begun, state.newest_epoch), manifest


def healed_packs(state: LogState, chain: ChainId) -> Iterator[HealingPack]:
    """Yield the healing packs of *chain* that the log has as done, as it has them."""
    for entry in state.healed.values():
        if entry.chain == chain and entry.phase == "done":
            for pack in entry.packs:
                foot = bytes.fromhex(pack.foot_sha256)
                yield HealingPack(entry.session, pack.number, pack.size, foot)
