"""``vmbackup repository restore``: a recovery point's disks, to files and block devices."""

from __future__ import annotations

from pathlib import Path

from vmbackup_core.errors import PermanentError
from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.chains.holds import Holder
from vmbackup_core.repository.control.points.catalog import DAMAGE
from vmbackup_core.repository.control.points.points import PointDisk, RecoveryPoint
from vmbackup_core.repository.control.restore.restoring import Held
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.identities import draw
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.cli import complaints
from vmbackup_operator.cli.chosen_point import chosen_point
from vmbackup_operator.cli.commands import Restore
from vmbackup_operator.cli.file_names import file_names
from vmbackup_operator.cli.holes import Hole, joined
from vmbackup_operator.cli.opening import open_at
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.cli.progress import ProgressLine
from vmbackup_operator.cli.rehydrating import check_online
from vmbackup_operator.cli.restored_disks import Restored, sink_into, write_restored
from vmbackup_operator.cli.targets import Target, look_at, objection


def restore(asked: Restore, console: Console) -> int:
    """Write a recovery point's disks to files or devices; print where they are and what is not."""
    repository = open_at(asked.where, console)
    point, is_sure = chosen_point(repository, asked.where, asked.point, asked.vm, console)
    pairs = [(disk, look_at(path)) for disk, path in _places(asked, point)]
    for disk, target in pairs:  # all of them before anything is written
        refusal = objection(
            target, disk.name, disk.size_bytes, force=asked.force, image=asked.image
        )
        if refusal is not None:
            raise refusal
    if not asked.keep_going:
        check_online(repository, point)
    done: list[Restored] = []
    holder = Holder(draw(), "restore", "vmbackup repository restore")
    try:
        with repository.held(point, holder, console.complain) as there:
            for disk, target in pairs:
                done.append(_restore(repository, there, disk, target, asked, console))
    finally:  # what is there is told of also where the rest could not be had
        write_restored(done, asked.where, console)
    holes = sum(len(each.holes) for each in done)
    return complaints.GOOD if is_sure and not holes else complaints.DAMAGE


def _places(asked: Restore, point: RecoveryPoint) -> list[tuple[PointDisk, Path]]:
    """Return which disks go where."""
    if asked.disk is None:
        names = file_names(point.disks, asked.image)
        return [(disk, asked.to / name) for disk, name in zip(point.disks, names, strict=True)]
    wanted = folded(asked.disk)
    found = [disk for disk in point.disks if wanted in {folded(disk.name), folded(disk.id)}]
    if len(found) != 1:
        names_there = ", ".join(f"{disk.name} ({disk.id})" for disk in point.disks)
        raise PermanentError(
            f"recovery point {point.run_id} has {len(found)} disks called {asked.disk}; it has"
            f" {names_there}",
            reason="NoSuchDisk",
        )
    return [(found[0], asked.to)]


def _restore(
    repository: OpenedRepository,
    there: Held,
    disk: PointDisk,
    target: Target,
    asked: Restore,
    console: Console,
) -> Restored:
    holes: list[Hole] = []

    def on_hole(extent: Extent, why: str) -> None:
        holes.append(Hole(extent.offset, extent.length, why))

    try:
        with (
            ProgressLine(disk.name, console, quiet=asked.where.quiet) as line,
            sink_into(target, disk.size_bytes, line, force=asked.force, image=asked.image) as sink,
        ):
            repository.restore_disk(
                there,
                disk,
                sink,
                progress=line.show,
                on_hole=on_hole if asked.keep_going else None,
                say=console.complain,
            )
    except DAMAGE as error:
        if not asked.keep_going:
            raise
        return Restored(disk.name, disk.size_bytes, None, [Hole(0, disk.size_bytes, str(error))])
    return Restored(disk.name, disk.size_bytes, target.path, joined(holes))
