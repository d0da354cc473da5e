"""A disk as the repository reads it: some of it comes from the export, the rest is known zero.

Of a disk that is read whole, what is not allocated is zero; of an incremental, what was cleared.
Small gaps between what is allocated are read along with it (`page_listing`) and taken as the
export shows them, which is zero: what the export shows is the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from typing_extensions import override

from vmbackup_core.errors import VmbackupError
from vmbackup_core.extents import Extents
from vmbackup_core.redaction import shown
from vmbackup_core.repository.transfer import DiskSource
from vmbackup_worker.access import Stopped
from vmbackup_worker.source import READ_BYTES, Export

log = logging.getLogger(__name__)

_ZEROS = bytes(READ_BYTES)


class DiskReader:
    """Reads *extents* and no others, which are zero; calls may come from several threads."""

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


class PerhapsReadable(DiskSource):
    """A predecessor's export as long as it can be read, then zeros.

    Who makes deltas compares what it shows with a hash, and makes none where it is another.
    """

    def __init__(self, export: Export) -> None:
        self._export = export
        self._failed = False

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        if not self._failed:
            try:
                self._export.read_into(offset, buffer)
            except Stopped:
                raise
            except VmbackupError as error:
                self._failed = True
                log.warning("no more deltas: %s", shown(str(error)))
            else:
                return
        _clear(buffer)


def _clear(buffer: memoryview) -> None:
    for start in range(0, len(buffer), READ_BYTES):
        part = buffer[start : start + READ_BYTES]
        part[:] = _ZEROS[: len(part)]
