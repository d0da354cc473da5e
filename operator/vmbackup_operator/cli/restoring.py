"""``vmbackup repository restore``: a recovery point's disks, to files and block devices."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from vmbackup_core.errors import PermanentError
from vmbackup_core.extents import Extent
from vmbackup_core.repository.control.catalog import DAMAGE
from vmbackup_core.repository.control.holds import Holder
from vmbackup_core.repository.control.points import PointDisk, RecoveryPoint
from vmbackup_core.repository.control.restoring import Held
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.identities import draw
from vmbackup_core.repository.transfer import DiskSink
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.cli import complaints
from vmbackup_operator.cli.choosing import choose, read_points
from vmbackup_operator.cli.commands import Restore
from vmbackup_operator.cli.file_names import file_names
from vmbackup_operator.cli.holes import Hole, joined
from vmbackup_operator.cli.opening import complain_of_log, open_at
from vmbackup_operator.cli.printing import Console, number_of, size
from vmbackup_operator.cli.progress import ProgressLine, counted
from vmbackup_operator.cli.restored_device import restored_device
from vmbackup_operator.cli.restored_file import restored_file
from vmbackup_operator.cli.targets import Target, look_at, objection


@dataclass(frozen=True, slots=True)
class Restored:
    """A disk, the place where it is now, or None, and what is missing of it."""

    disk: PointDisk
    path: Path | None
    holes: list[Hole]


def restore(asked: Restore, console: Console) -> int:
    """Write a recovery point's disks to files or devices; print where they are and what is not."""
    repository = open_at(asked.where, console)
    point, is_sure = _chosen(asked, repository, console)
    pairs = [(disk, look_at(path)) for disk, path in _places(asked, point)]
    for disk, target in pairs:  # all of them before anything is written
        refusal = objection(target, disk.name, disk.size_bytes, force=asked.force)
        if refusal is not None:
            raise refusal
    done: list[Restored] = []
    holder = Holder(draw(), "restore", "vmbackup repository restore")
    try:
        with repository.held(point, holder, console.complain) as there:
            for disk, target in pairs:
                done.append(_restore(repository, there, disk, target, asked, console))
    finally:  # what is there is told of also where the rest could not be had
        _write(done, asked, console)
    holes = sum(len(each.holes) for each in done)
    return complaints.GOOD if is_sure and not holes else complaints.DAMAGE


def _chosen(
    asked: Restore, repository: OpenedRepository, console: Console
) -> tuple[RecoveryPoint, bool]:
    """Return the point, and whether no damaged one may have been meant in its stead."""
    line = ProgressLine("looking", console, quiet=asked.where.quiet)
    with counted(line, "recovery point") as one_more:
        found = read_points(repository, asked.point, asked.vm, one_more)
    point = choose(found, asked.point, asked.vm)
    for error in found.damaged.values():
        text = f"a later recovery point may be among those that can't be read: {error}"
        console.complain(complaints.complaint("PointLeftOut", text))
    is_log_whole = not complain_of_log(repository, console)
    return point, is_log_whole and not found.damaged


def _places(asked: Restore, point: RecoveryPoint) -> list[tuple[PointDisk, Path]]:
    """Return which disks go where."""
    if asked.disk is None:
        names = file_names(point.disks)
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
            _sink(target, disk, line, force=asked.force) as sink,
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
        return Restored(disk, None, [Hole(0, disk.size_bytes, str(error))])
    return Restored(disk, target.path, joined(holes))


def _sink(
    target: Target, disk: PointDisk, line: ProgressLine, *, force: bool
) -> AbstractContextManager[DiskSink]:
    if target.kind == "device":
        total = size(disk.size_bytes)
        return restored_device(
            target.path, disk.size_bytes, lambda done: line.say(f"zeroed {size(done)} of {total}")
        )
    return restored_file(target.path, disk.size_bytes, force=force)


def _write(done: list[Restored], asked: Restore, console: Console) -> None:
    holes = [(each, hole) for each in done for hole in each.holes]
    if not done:
        return
    if asked.where.output == "json":
        console.write_json([_as_json(each) for each in done])
    else:
        console.write_table(("DISK", "SIZE", "TO"), [_row(each) for each in done])
        if holes:
            rows = [
                (each.disk.name, str(hole.offset), str(hole.length), hole.why)
                for each, hole in holes
            ]
            console.write_table(("HOLE IN", "OFFSET", "LENGTH", "WHY"), rows)
    if holes:
        missing = size(sum(hole.length for _, hole in holes))
        text = f"{number_of(len(holes), 'hole')}, {missing} in all, not restored"
        console.complain(complaints.complaint("Holes", text))


def _row(restored: Restored) -> tuple[str, str, str]:
    where = "not restored" if restored.path is None else str(restored.path)
    return restored.disk.name, size(restored.disk.size_bytes), where


def _as_json(restored: Restored) -> dict[str, object]:
    """Return it with the fields that docs/operations.md promises."""
    return {
        "disk": restored.disk.name,
        "sizeBytes": restored.disk.size_bytes,
        "path": None if restored.path is None else str(restored.path),
        "holes": [
            {"offset": hole.offset, "length": hole.length, "why": hole.why}
            for hole in restored.holes
        ],
    }
