"""A chain of a thousand points: restored, checked, and pruned when all but one have expired.

Its sessions are written in this process, by what workers run for a disk: they are not measured.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typing_extensions import override

from tools.bench.engine.images import GIB, KIB, MIB
from tools.bench.engine.ours import Ours
from tools.bench.engine.peers.port import restored
from tools.bench.engine.repository import Disk, Repository
from tools.bench.engine.restore_requests import requests_of_a_restore
from tools.bench.engine.scratch import scratch_folder
from tools.bench.engine.source import source
from vmbackup_core.extents import Extent
from vmbackup_core.protocol import DiskDone
from vmbackup_core.repository.control.retention.expire_plan import Letting, Rules
from vmbackup_core.repository.control.retention.point_book import PointBook
from vmbackup_core.repository.control.retention.sights import Sights
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.data.grants import ManifestAt, Parameters
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.transfer import DiskSource
from vmbackup_core.retention.in_force import LiveRule

POINTS = 1000
DISK_BYTES, CONTENT_BYTES = GIB, 64 * MIB
BLOCK, CHANGED_BLOCKS, CHANGED_BYTES = Parameters().block_bytes, 4, 16 * KIB


class Content(DiskSource):
    """A disk whose beginning changes from point to point."""

    def __init__(self) -> None:
        self._drawn = random.Random(42)  # noqa: S311 - content, no secret
        self.content = bytearray(CONTENT_BYTES)
        for at in range(0, CONTENT_BYTES, BLOCK):
            self.content[at : at + CHANGED_BYTES] = self._drawn.randbytes(CHANGED_BYTES)

    def change(self) -> list[Extent]:
        """Write into some blocks; return where."""
        blocks = sorted(self._drawn.sample(range(CONTENT_BYTES // BLOCK), CHANGED_BLOCKS))
        for block in blocks:
            at = block * BLOCK + self._drawn.randrange(BLOCK - CHANGED_BYTES)
            self.content[at : at + CHANGED_BYTES] = self._drawn.randbytes(CHANGED_BYTES)
        return [Extent(block * BLOCK, BLOCK) for block in blocks]

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        buffer[:] = self.content[offset : offset + len(buffer)]


class _NoRules(Rules):
    """No policy says anything: points go by what they were stamped with."""

    @override
    def live_rule(self, namespace: str, policy: str) -> LiveRule | None:
        return None


class _LongAgo(Sights):
    """Everything was seen to expire a year ago."""

    @override
    def age(self, number: int | None) -> timedelta:
        return timedelta(days=365)


def measure(points: int = POINTS) -> dict[str, Any]:
    """Return what the newest of so many points takes, and what all others take to go."""
    with scratch_folder() as scratch, source(scratch) as exports:
        ours = Ours(exports, scratch / "ours")
        content = Content()
        began = time.monotonic()
        age(ours.repository, content, points)
        found: dict[str, Any] = {"points": points, "made_in_s": time.monotonic() - began}
        wanted, target = scratch / "wanted.img", scratch / "restored.img"
        _write(wanted, content.content)
        found["restore"] = dict(restored(wanted, target, lambda: ours.restore("disk", target)))
        found["restore_requests"] = requests_of_a_restore(ours.repository)
        found["check"] = ours.check().figures()
        began = time.monotonic()
        expire_all_but_newest(ours.repository.opened)
        found["expired_in_s"] = time.monotonic() - began
        found["prune"] = ours.prune().figures()
    return {"aged_chain": found}


def age(repository: Repository, content: Content, points: int) -> None:
    """Write so many points of a disk, of which a little changes from one to the next."""
    base: ManifestAt | None = None
    extents: Iterable[Extent] = [Extent(0, CONTENT_BYTES)]
    for number in range(1, points + 1):
        disk = Disk("disk", "unread", DISK_BYTES, before="unread", base=base)
        ordered = repository.order(number, [disk])
        (asked,) = ordered.job.disks
        keys = ChainKeys.parse(asked.keys)
        written = write_disk(
            repository.places.data,
            keys,
            asked.grant,
            DiskToRead(content, extents),
            threads=2,
            progress=lambda _now: None,
        )
        done = DiskDone(
            asked.disk_id, written.manifest, written.sha256, written.statistics, 0, 0, 0.0
        )
        (committed,) = repository.commit(ordered, [done])
        base = repository.manifest_of(committed)
        extents = content.change() if number < points else []


def _write(path: Path, content: bytes | bytearray) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.truncate(DISK_BYTES)


def expire_all_but_newest(opened: OpenedRepository) -> None:
    """Have all points go whose rule keeps the newest alone: manifests first, as upkeep does."""
    letting = Letting(_NoRules(), timedelta(0), datetime.now(UTC))
    upkeep = opened.upkeep
    upkeep.begin_expire(upkeep.plan_expire_points(PointBook(), letting))
    upkeep.finish_some(_LongAgo(), tuple(upkeep.expiring()))
