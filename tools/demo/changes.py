"""What the VM does between two backups: files of its file system and blocks of its disks change."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tools.demo.narration import people_bytes
from tools.local_cloud import disk_images
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.disk_images import MIB, PAGE_BYTES
from tools.local_cloud.seed import SeededDisk

#: Runs of pages of each disk, by the disk's id: (offset, length).
Changed = Mapping[str, Sequence[tuple[int, int]]]

#: What a program of the VM writes into the file system: more than a block, less than many.
_NEW_FILE_BYTES = 3 * MIB
#: How many single pages of the data disk are written, anywhere on it: a block each is read of them.
_SINGLE_PAGES = 40


def changed_disks(disks: Sequence[SeededDisk], folder: Path) -> list[SeededDisk]:
    """Return copies of *disks* in *folder* that hold what the VM makes of them.

    Of the OS disk files are changed, added and deleted; of the data disk blocks are overwritten,
    used for the first time, and zeroed. Others stay as they are.
    """
    folder.mkdir(parents=True)
    changed = [replace(disk, path=folder / disk.path.name) for disk in disks]
    for before, after in zip(disks, changed, strict=True):
        disk_images.copy_disk(before.path, after.path)
    system, data, *_ = changed
    _change_files(system.path, folder / "files")
    generator = random.Random(20261127)  # noqa: S311 - content, no secret
    _write(data.path, list(_data_blocks(data.path, data.size_bytes, generator)))
    return changed


def changed_extents(before: Sequence[SeededDisk], after: Sequence[SeededDisk]) -> Changed:
    """Return in which pages each disk is not as it was *before*, as its bytes show it."""
    return {
        old.id: disk_images.differing_extents(old.path, new.path)
        for old, new in zip(before, after, strict=True)
    }


def write_in_vm(
    azure: Administrator, after: Sequence[SeededDisk], changed: Changed, folder: Path
) -> None:
    """Have the simulated VM write into its disks what is *changed*, as its guest would.

    *folder* is made, for the pieces that are written.
    """
    folder.mkdir(parents=True)
    for disk in after:
        for offset, length in changed[disk.id]:
            piece = folder / f"{disk.name}-{offset}"
            with disk.path.open("rb") as image:
                image.seek(offset)
                piece.write_bytes(image.read(length))
            said = {"diskId": disk.id, "offset": offset, "path": str(piece)}
            azure.call("POST", "/disks/write", said)


def told(changed: Changed) -> str:
    """Return in words how much is *changed*, of the disks of which something is."""
    return "\n".join(
        f"{disk.rsplit('/', 1)[-1]}: {people_bytes(sum(length for _, length in extents))} in "
        f"{len(extents)} places"
        for disk, extents in changed.items()
        if extents
    )


def _change_files(image: Path, folder: Path) -> None:
    """Replace a log, add two files, in a folder that is made for one of them, and delete one."""
    folder.mkdir()
    log, motd, table = (folder / name for name in ("messages", "motd", "orders.db"))
    log.write_text("".join(f"line {number} after the backup\n" for number in range(20_000)))
    motd.write_text("changed between two backups\n")
    generator = random.Random(20261128)  # noqa: S311 - content, no secret
    table.write_bytes(generator.randbytes(_NEW_FILE_BYTES))
    library = Path(sysconfig.get_path("stdlib")).name
    commands = (
        f"rm /usr/lib/{library}/this.py",
        "rm /var/log/messages",
        "cd /var/log",
        f"write {log} messages",
        "cd /etc",
        f"write {motd} motd",
        "cd /",
        "mkdir srv",
        "cd srv",
        f"write {table} orders.db",
    )
    disk_images.edit_file_system(image, commands, folder / "commands")


def _data_blocks(
    path: Path, size_bytes: int, generator: random.Random
) -> Iterator[tuple[int, bytes]]:
    """Yield what is written where: within what the disk holds, at its end, and anywhere."""
    used = [each for each in disk_images.allocated_extents(path) if each[1] >= MIB]
    overwritten, zeroed = used[0][0], used[-1][0]
    yield overwritten, generator.randbytes(MIB)
    yield zeroed, bytes(MIB)
    yield size_bytes - PAGE_BYTES, generator.randbytes(PAGE_BYTES)
    for _ in range(_SINGLE_PAGES):
        page = generator.randrange(size_bytes // PAGE_BYTES)
        yield page * PAGE_BYTES, generator.randbytes(PAGE_BYTES)


def _write(path: Path, pieces: Sequence[tuple[int, bytes]]) -> None:
    with path.open("r+b") as image:
        for offset, content in pieces:
            image.seek(offset)
            image.write(content)
