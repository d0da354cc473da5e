"""Small VMs beside the seeded one: fresh disks, so that the backup of each stores packs."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

from tests.scenario.stage import Stage
from tools.local_cloud import seed
from tools.local_cloud.disk_images import GIB, MIB
from tools.local_cloud.seed import SeededDisk

#: Six reads of the worker's, which is enough to hold one of them and see the others done.
DATA_BYTES = 24 * MIB


@dataclass(frozen=True, slots=True)
class Machine:
    """A VM that a scenario has to itself."""

    id: str
    disks: list[SeededDisk]


def small_machine(
    stage: Stage,
    name: str,
    disks: int = 1,
    region: str = seed.VM_REGION,
    group: str = seed.PRODUCTION_GROUP,
) -> Machine:
    """Put a VM called *name* there, with *disks* that each hold other random bytes."""
    seeded = [
        write_disk(stage, f"{name}-{number}", None if number == 0 else number - 1, group)
        for number in range(disks)
    ]
    seed.seed_machine(stage.azure, name, seeded, region, group)
    return Machine(seed.vm_id(name, group), seeded)


def write_on(stage: Stage, machine: Machine, number: int, size_bytes: int) -> None:
    """Have the VM write in the middle of what each of its disks holds, and no more."""
    for disk in machine.disks:
        content = random.Random(f"{disk.name}-{number}").randbytes(size_bytes)  # noqa: S311 - content, no secret
        piece = stage.folder / f"{disk.name}-{number}.piece"
        piece.write_bytes(content)
        offset = 8 * MIB
        with disk.path.open("r+b") as image:
            os.pwrite(image.fileno(), content, offset)
        said = {"diskId": disk.id, "offset": offset, "path": str(piece)}
        stage.azure.call("POST", "/disks/write", said)


def write_disk(
    stage: Stage, name: str, lun: int | None, group: str = seed.PRODUCTION_GROUP
) -> SeededDisk:
    """Return a disk of 1 GiB, with random bytes at its beginning and its end, yet to be made."""
    path = stage.folder / "disks" / f"{name}.img"
    generator = random.Random(name)  # noqa: S311 - content, no secret
    with path.open("wb") as image:
        image.truncate(GIB)
        os.pwrite(image.fileno(), generator.randbytes(DATA_BYTES - MIB), MIB)
        os.pwrite(image.fileno(), generator.randbytes(MIB), GIB - MIB)
    return SeededDisk(name, seed.disk_id(name, group), lun, path, GIB)
