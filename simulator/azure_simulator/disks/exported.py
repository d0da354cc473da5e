"""An exported disk as a page blob: its bytes with the VHD footer, its pages, its differences."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import TypeVar

from azure_simulator.disks import sparse
from azure_simulator.disks.contents import Content
from azure_simulator.disks.footer import FOOTER_BYTES, vhd_footer
from azure_simulator.disks.pages import PageRange, page_ranges
from azure_simulator.resources import Resources
from azure_simulator.storage.wire import StorageError

Key = TypeVar("Key")

_PIECE = 1024 * 1024
_CHAIN_BREAKS_AT = 4 * 1024**4  # no differences across a resize that crosses 4 TiB
_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class Exported:
    """*content* seen through an export host; *uploading*: by the write SAS of an upload."""

    content: Content
    uploading: bool = False

    @property
    def size_bytes(self) -> int:
        """The blob's length: the disk and its footer."""
        return self.content.size_bytes + FOOTER_BYTES

    @property
    def footer(self) -> bytes:
        """The last 512 bytes; the same for all of a family's snapshots of one size."""
        family = self.content.family
        return vhd_footer(self.content.size_bytes, family.id, family.created_at)

    @property
    def etag(self) -> str:
        """What changes when a disk is written to."""
        changed = self.content.path.stat().st_mtime_ns
        return f'"0x{self.content.ordinal:X}{changed:015X}"'

    @property
    def last_modified(self) -> str:
        """When it was written to last."""
        return formatdate(self.content.path.stat().st_mtime, usegmt=True)

    async def read(self, first: int, last: int) -> AsyncIterator[bytes]:
        """Yield the bytes from *first* to *last*, both included, in pieces."""
        disk_end = min(last + 1, self.content.size_bytes)
        file = os.open(self.content.path, os.O_RDONLY)
        try:
            for at in range(first, disk_end, _PIECE):
                yield await asyncio.to_thread(os.pread, file, min(_PIECE, disk_end - at), at)
        finally:
            os.close(file)
        if last >= self.content.size_bytes:
            start = max(first - self.content.size_bytes, 0)
            yield self.footer[start : last + 1 - self.content.size_bytes]


class PageLists:
    """Allocated and changed pages of exported disks; a snapshot's are worked out once."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._allocated: dict[int, Sequence[PageRange]] = {}
        self._changed: dict[tuple[int, int], Sequence[PageRange]] = {}

    async def allocated(self, exported: Exported) -> Sequence[PageRange]:
        """Return the pages that hold data, the footer's among them."""
        content = exported.content
        known = self._allocated.get(content.ordinal)
        if known is not None:
            return known
        data = await asyncio.to_thread(sparse.data_extents, content.path)
        if content.footer or not exported.uploading:
            data.append((content.size_bytes, FOOTER_BYTES))
        ranges = page_ranges(sparse.joined(data))
        if content.is_snapshot:
            _remember(self._allocated, content.ordinal, ranges)
        return ranges

    async def changed(self, exported: Exported, previous: Exported) -> Sequence[PageRange]:
        """Return what was written and cleared between two snapshots; raise where Azure can't."""
        now, before = exported.content, previous.content
        self._check_chain(now, before)
        key = (before.ordinal, now.ordinal)
        known = self._changed.get(key)
        if known is not None:
            return known
        written, cleared = await asyncio.to_thread(sparse.differences, before.path, now.path)
        ranges = page_ranges(written, cleared)
        if now.size_bytes != before.size_bytes:
            ranges = _with_footers(ranges, before.size_bytes, now.size_bytes)
        _remember(self._changed, key, ranges)
        return ranges

    def _check_chain(self, now: Content, before: Content) -> None:
        if not (self._is_incremental(now) and self._is_incremental(before)):
            raise StorageError(
                409,
                "PreviousSnapshotOperationNotSupported",
                "Differential Get Page Ranges is only supported between incremental snapshots.",
            )
        if now.family != before.family:
            raise StorageError(
                409,
                "BlobOverwritten",
                "The blob has been recreated since the previous snapshot was taken.",
            )
        if before.ordinal >= now.ordinal:
            raise StorageError(
                400,
                "PreviousSnapshotCannotBeNewer",
                "The previous snapshot cannot be newer than the snapshot.",
            )
        if (now.size_bytes > _CHAIN_BREAKS_AT) != (before.size_bytes > _CHAIN_BREAKS_AT):
            raise StorageError(
                409,
                "PreviousSnapshotOperationNotSupported",
                "The disk was resized across 4 TiB since the previous snapshot was taken.",
            )

    def _is_incremental(self, content: Content) -> bool:
        resource = self._resources.find(content.arm_id)
        return (
            content.is_snapshot
            and resource is not None
            and resource.properties.get("incremental") is True
        )


def _with_footers(
    ranges: Sequence[PageRange], before_bytes: int, now_bytes: int
) -> list[PageRange]:
    """Return *ranges* with what a longer blob's footers are: one page less, unless written to."""
    gone = PageRange(before_bytes, before_bytes + FOOTER_BYTES - 1, cleared=True)
    added = [PageRange(now_bytes, now_bytes + FOOTER_BYTES - 1)]
    if not any(each.start <= gone.start <= each.end for each in ranges):
        added.append(gone)
    return sorted([*ranges, *added], key=lambda page: page.start)


def _remember(known: dict[Key, Sequence[PageRange]], key: Key, ranges: Sequence[PageRange]) -> None:
    """Keep *ranges*, and of what was kept before only the latest."""
    while len(known) >= _REMEMBERED:
        del known[next(iter(known))]
    known[key] = ranges
