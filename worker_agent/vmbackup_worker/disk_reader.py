"""A disk as the repository reads it: what is allocated comes from the export, the rest is zero.

Small gaps between what is allocated are read along with it (`page_listing`) and taken as the
export shows them, which is zero: what the export shows is the disk.
"""

from __future__ import annotations

from collections.abc import Callable

from vmbackup_core.extents import Extents
from vmbackup_worker.source import READ_BYTES, Export

_ZEROS = bytes(READ_BYTES)


class DiskReader:
    """Reads *extents* once each and no others; calls may come from several threads."""

    def __init__(self, export: Export, extents: Extents, count: Callable[[int], None]) -> None:
        self._export = export
        self._extents = extents
        self._count = count

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill *buffer* with the disk's bytes from *offset*."""
        at = offset
        for extent in self._extents.within(offset, len(buffer)):
            _clear(buffer[at - offset : extent.offset - offset])
            at = extent.end
            self._export.read_into(extent.offset, buffer[extent.offset - offset : at - offset])
            self._count(extent.length)
        _clear(buffer[at - offset :])


def _clear(buffer: memoryview) -> None:
    for start in range(0, len(buffer), READ_BYTES):
        part = buffer[start : start + READ_BYTES]
        part[:] = _ZEROS[: len(part)]
