"""Disks as they were restored, or not: where they are, what is missing, and how that is printed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmbackup_core.repository.transfer import DiskSink
from vmbackup_operator.cli import complaints
from vmbackup_operator.cli.commands import Where
from vmbackup_operator.cli.holes import Hole
from vmbackup_operator.cli.printing import Console, number_of, size
from vmbackup_operator.cli.progress import ProgressLine
from vmbackup_operator.cli.qcow2_image import Qcow2Image
from vmbackup_operator.cli.restored_device import restored_device
from vmbackup_operator.cli.restored_file import NewImage, SparseFile, restored_file
from vmbackup_operator.cli.targets import Format, Target
from vmbackup_operator.cli.vhd_image import VhdImage

IMAGES: Final[Mapping[Format, NewImage]] = {
    "raw": SparseFile,
    "qcow2": Qcow2Image,
    "vhd": VhdImage,
}


@dataclass(frozen=True, slots=True)
class Restored:
    """A disk, the place where it is now, or None, and what is missing of it."""

    name: str
    size_bytes: int
    path: Path | None
    holes: list[Hole]


def sink_into(
    target: Target, size_bytes: int, line: ProgressLine, *, force: bool, image: Format
) -> AbstractContextManager[DiskSink]:
    """Return where a disk of *size_bytes* is written to."""
    if target.kind == "device":
        total = size(size_bytes)
        return restored_device(
            target.path, size_bytes, lambda done: line.say(f"zeroed {size(done)} of {total}")
        )
    return restored_file(target.path, size_bytes, force=force, new_image=IMAGES[image])


def write_restored(done: list[Restored], where: Where, console: Console) -> None:
    """Print where the disks are, and what could not be had of them."""
    holes = [(each, hole) for each in done for hole in each.holes]
    if not done:
        return
    if where.output == "json":
        console.write_json([_as_json(each) for each in done])
    else:
        console.write_table(("DISK", "SIZE", "TO"), [_row(each) for each in done])
        if holes:
            rows = [
                (each.name, str(hole.offset), str(hole.length), hole.why) for each, hole in holes
            ]
            console.write_table(("HOLE IN", "OFFSET", "LENGTH", "WHY"), rows)
    if holes:
        missing = size(sum(hole.length for _, hole in holes))
        text = f"{number_of(len(holes), 'hole')}, {missing} in all, not restored"
        console.complain(complaints.complaint("Holes", text))


def _row(restored: Restored) -> tuple[str, str, str]:
    where = "not restored" if restored.path is None else str(restored.path)
    return restored.name, size(restored.size_bytes), where


def _as_json(restored: Restored) -> dict[str, object]:
    """Return it with the fields that docs/operations.md promises."""
    return {
        "disk": restored.name,
        "sizeBytes": restored.size_bytes,
        "path": None if restored.path is None else str(restored.path),
        "holes": [
            {"offset": hole.offset, "length": hole.length, "why": hole.why}
            for hole in restored.holes
        ],
    }
