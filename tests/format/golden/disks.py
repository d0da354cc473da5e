"""Disks of seeded bytes, their chains, and what runs are told of them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from vmbackup_core.clock import Clock
from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId, DiskUniqueId, RunId
from vmbackup_core.repository.control.points.points import StampedRetention
from vmbackup_core.repository.data.footer import BACKUP, Purpose
from vmbackup_core.repository.data.grants import (
    BadObject,
    LeftSession,
    ManifestAt,
    Parameters,
)
from vmbackup_core.repository.data.ports import DataStore
from vmbackup_core.repository.transfer import DiskSource, Progress

KIB, MIB = 1024, 1024 * 1024
BLOCK, SHARD = 4 * KIB, 32 * KIB
PARAMETERS = Parameters(BLOCK, SHARD, MIB)
MOMENT = datetime(2026, 11, 26, 17, 5, 9, tzinfo=UTC)
APPLIANCE = "appliance-a"
VM_ID = "/subscriptions/S/resourceGroups/R/providers/Microsoft.Compute/virtualMachines/Web"
ALWAYS = StampedRetention(7, 4, 3, 2, 1)


class TurnedClock(Clock):
    """A second further whenever it is asked."""

    def __init__(self) -> None:
        self._seconds = itertools.count()

    @override
    def now(self) -> datetime:
        return MOMENT + timedelta(seconds=next(self._seconds))

    @override
    def monotonic_s(self) -> float:
        return 0.0


class Content(DiskSource):
    """A disk's bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        buffer[:] = self._content[offset : offset + len(buffer)]


@dataclass
class Disk:
    """A disk and its chain, with what was committed of it."""

    name: str
    chain: ChainId
    epoch: int
    lun: int | None
    generation: int = 0
    slot: int = 0
    newest: ManifestAt | None = None
    content: bytes = b""
    previous: str | None = None
    made: dict[int, tuple[ManifestAt, bytes, str]] = field(default_factory=dict)

    @property
    def unique_id(self) -> DiskUniqueId:
        return DiskUniqueId(f"{self.name}-5555ABCD")


@dataclass(frozen=True)
class How:
    """What is special about a backup."""

    left: Sequence[LeftSession] = ()
    bad: Sequence[BadObject] = ()
    predecessor: bytes | None = None
    store: DataStore | None = None
    purpose: Purpose = BACKUP


AS_USUAL = How()


@dataclass(frozen=True)
class Made:
    """A disk as one run committed it."""

    disk: Disk
    slot: int


def run_of(number: int) -> RunId:
    return RunId(f"{0xA000 + number:032x}")


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - what is drawn is no secret


def noise(seed: int) -> bytes:
    """A block that no codec makes shorter."""
    return seeded(seed).randbytes(BLOCK)


def text(seed: int) -> bytes:
    """A block that zstd makes much shorter."""
    return (f"line {seed} of a log file\n".encode() * BLOCK)[:BLOCK]


def disk_of(*blocks: bytes, odd: int = 0) -> bytes:
    """A disk of these blocks (`b""` is a zero one), the last one *odd* bytes shorter."""
    content = b"".join(block or bytes(BLOCK) for block in blocks)
    return content[: len(content) - odd]


def changed(before: bytes, after: bytes) -> list[Extent]:
    ends = range(0, len(after), BLOCK)
    return [
        Extent(at, len(after[at : at + BLOCK]))
        for at in ends
        if before[at : at + BLOCK] != after[at : at + BLOCK]
    ]


def silent(_progress: Progress) -> None:
    return
