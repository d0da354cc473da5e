"""The bytes of managed disks and snapshots: one sparse file each, and which family it is of.

Implements `backing.DiskContents`; the administration interface reads and writes through it too.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from azure_simulator.backing import ContentFile
from azure_simulator.disks import sparse
from azure_simulator.resources import name_of, type_of

_SNAPSHOT = "microsoft.compute/snapshots"
_YEAR_2000 = 946_684_800  # where VHD counts its seconds from


class NoContent(LookupError):
    """There is no disk or snapshot of that id."""

    def __init__(self, arm_id: str) -> None:
        super().__init__(f"no content is kept for {arm_id}")


class ContentRefused(ValueError):
    """What was asked for cannot be done with that content; the message says why."""


@dataclass(frozen=True, slots=True)
class Family:
    """A disk and all its snapshots: Azure's incremental snapshot family."""

    id: uuid.UUID = field(default_factory=uuid.uuid4)
    created_at: int = field(default_factory=lambda: int(time.time()) - _YEAR_2000)


@dataclass(slots=True)
class Content:
    """One disk's or snapshot's file. *ordinal* tells which of a family's snapshots is older.

    *footer* is what was uploaded behind the disk's bytes; of any other disk there is none.
    *shown_at* is where a VM's own file tree has a disk that is attached to it.
    """

    arm_id: str
    path: Path
    size_bytes: int
    family: Family
    ordinal: int
    source_id: str = ""
    footer: bytes = b""
    shown_at: Path | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_snapshot(self) -> bool:
        """Whether it never changes."""
        return type_of(self.arm_id) == _SNAPSHOT


class Contents:
    """Every disk's and snapshot's content, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_id: dict[str, Content] = {}
        self._ordinals = itertools.count(1)
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def find(self, arm_id: str) -> Content | None:
        """Return the content of *arm_id*, or None."""
        return self._by_id.get(arm_id.lower())

    def get(self, arm_id: str) -> Content:
        """Return the content of *arm_id*; raise NoContent where there is none."""
        content = self.find(arm_id)
        if content is None:
            raise NoContent(arm_id)
        return content

    async def create_empty(self, disk_id: str, size_bytes: int) -> None:
        """Make a disk of zeros; the same again changes nothing."""
        if self._is_there(disk_id, size_bytes, ""):
            return
        content = self._new(disk_id, size_bytes, Family(), "")
        sparse.make_empty(content.path, size_bytes)
        self._by_id[disk_id.lower()] = content

    async def create_from(self, target_id: str, source_id: str, size_bytes: int) -> None:
        """Make *target_id* as a copy of *source_id* at this moment; the same again is the first.

        A snapshot is of its source's family, a disk founds its own.
        """
        async with self._making[target_id.lower()]:
            if not self._is_there(target_id, size_bytes, source_id):
                await self._copy(target_id, self.get(source_id), size_bytes)

    async def _copy(self, target_id: str, source: Content, size_bytes: int) -> None:
        if size_bytes < source.size_bytes:
            raise ContentRefused(
                f"{target_id} is to have {size_bytes} bytes, its source has {source.size_bytes}"
            )
        content = self._new(target_id, size_bytes, source.family, source.arm_id)
        if not content.is_snapshot:
            content.family = Family()
        async with source.lock:
            await asyncio.to_thread(sparse.copy, source.path, content.path, size_bytes)
        if content.is_snapshot:
            content.path.chmod(0o444)
        self._by_id[target_id.lower()] = content

    async def delete(self, arm_id: str) -> None:
        """Forget the content; where there is none, nothing happens."""
        content = self._by_id.pop(arm_id.lower(), None)
        if content is not None:
            async with content.lock:
                content.path.unlink()

    async def replace(self, disk_id: str, path: Path) -> None:
        """Give the disk what the sparse file *path*, of exactly its size, holds."""
        content = self._writable(disk_id)
        size = _size(path)
        if size != content.size_bytes:
            raise ContentRefused(f"{path} has {size} bytes, {disk_id} has {content.size_bytes}")
        fresh = content.path.with_suffix(".fresh")
        async with content.lock:
            fresh.unlink(missing_ok=True)
            await asyncio.to_thread(sparse.copy, path, fresh, size)
            fresh.replace(content.path)
            _link(content)

    async def show(self, disk_id: str, path: Path) -> None:
        """Have the disk's bytes be those of the file *path* too: whoever writes one writes both."""
        content = self._writable(disk_id)
        async with content.lock:
            content.shown_at = path
            path.parent.mkdir(parents=True, exist_ok=True)
            _link(content)

    async def hide(self, disk_id: str) -> None:
        """End that; what still has the file open there writes into nothing that is the disk's."""
        content = self.find(disk_id)
        if content is None or content.shown_at is None:
            return
        fresh = content.path.with_suffix(".fresh")
        async with content.lock:
            content.shown_at.unlink(missing_ok=True)
            content.shown_at = None
            fresh.unlink(missing_ok=True)
            await asyncio.to_thread(sparse.copy, content.path, fresh, content.size_bytes)
            fresh.replace(content.path)

    async def write(self, disk_id: str, offset: int, path: Path) -> None:
        """Write the file's bytes into the disk at *offset*, as its guest would."""
        content = self._writable(disk_id)
        size = _size(path)
        if offset < 0 or offset + size > content.size_bytes:
            raise ContentRefused(
                f"{size} bytes at {offset} do not fit into the {content.size_bytes} of {disk_id}"
            )
        async with content.lock:
            await asyncio.to_thread(sparse.write_into, path, content.path, offset)

    def file_of(self, arm_id: str) -> ContentFile | None:
        """Return where the bytes of *arm_id* lie, or None."""
        content = self.find(arm_id)
        if content is None:
            return None
        return ContentFile(content.path, content.size_bytes, sparse.data_extents(content.path))

    def _is_there(self, arm_id: str, size_bytes: int, source_id: str) -> bool:
        existing = self.find(arm_id)
        if existing is None:
            return False
        if (existing.size_bytes, existing.source_id.lower()) != (size_bytes, source_id.lower()):
            raise ContentRefused(f"{arm_id} is there with another size or source")
        return True

    def _new(self, arm_id: str, size_bytes: int, family: Family, source_id: str) -> Content:
        ordinal = next(self._ordinals)
        self._folder.mkdir(parents=True, exist_ok=True)
        readable = re.sub(r"[^\w.-]", "_", name_of(arm_id))
        path = self._folder / f"{ordinal:05d}-{readable}"
        return Content(arm_id, path, size_bytes, family, ordinal, source_id)

    def _writable(self, disk_id: str) -> Content:
        content = self.get(disk_id)
        if content.is_snapshot:
            raise ContentRefused(f"{disk_id} is a snapshot and never changes")
        return content


def _link(content: Content) -> None:
    """Have the disk's file, as it is at this moment, be where the disk is shown."""
    if content.shown_at is not None:
        content.shown_at.unlink(missing_ok=True)
        os.link(content.path, content.shown_at)


def _size(path: Path) -> int:
    return path.stat().st_size
