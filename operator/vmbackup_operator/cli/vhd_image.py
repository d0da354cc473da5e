"""A disk as a VHD image of the fixed kind, which Azure takes: its bytes, then a footer.

The layout is Microsoft's Virtual Hard Disk Image Format Specification, version 1.0.
"""

from __future__ import annotations

import os
import struct
import uuid
from datetime import UTC, datetime
from typing import Final

from typing_extensions import override

from vmbackup_core.stores.port import Buffer
from vmbackup_operator.cli.restored_file import Image
from vmbackup_operator.cli.writing_out import WritingOut

FOOTER_BYTES: Final = 512

#: Azure takes images whose disks have whole MiB, and no others.
_WHOLE_BYTES: Final = 1024**2
_SECTOR_BYTES: Final = 512

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_FIXED: Final = 2
#: Cookie, features (the bit that is always set), version, no further header, time, creator, its
#: version, its system, both sizes, geometry, kind, checksum, id, not saved by a suspended machine.
_FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
_CHECKSUM_AT: Final = 64

#: Readers believe the geometry, which ends at 127 GiB, of creators that they don't know; of this
#: one they take the size as it is said.
_CREATOR: Final = b"win "
_SYSTEM: Final = b"Wi2k"


class VhdImage(Image):
    """A VHD on its way into a file; the disk is longer by zeros where it has no whole MiB."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._out = WritingOut(descriptor)
        self._size_bytes = -(-size_bytes // _WHOLE_BYTES) * _WHOLE_BYTES
        os.ftruncate(descriptor, self._size_bytes + FOOTER_BYTES)

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of *data* at *offset* of the disk."""
        self._out.write_all(offset, data)

    @override
    def finish(self) -> None:
        """Write what makes it an image."""
        content = footer(self._size_bytes, datetime.now(UTC), uuid.uuid4())
        self._out.write_all(self._size_bytes, content)


def footer(size_bytes: int, created_at: datetime, image_id: uuid.UUID) -> bytes:
    """Return the footer of a fixed VHD of *size_bytes*."""
    made = bytearray(
        _FOOTER.pack(
            b"conectix",
            2,
            0x0001_0000,
            2**64 - 1,
            int((created_at - _EPOCH).total_seconds()),
            _CREATOR,
            0x000A_0000,
            _SYSTEM,
            size_bytes,
            size_bytes,
            *_geometry(size_bytes),
            _FIXED,
            0,
            image_id.bytes,
            0,
        )
    )
    struct.pack_into(">I", made, _CHECKSUM_AT, ~sum(made) & 0xFFFF_FFFF)
    return bytes(made)


def _geometry(size_bytes: int) -> tuple[int, int, int]:
    """Return cylinders, heads and sectors of a track, as the specification computes them."""
    sectors = min(size_bytes // _SECTOR_BYTES, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return sectors // 255 // 16, 16, 255
    tracks = sectors // 17
    heads = max(-(-tracks // 1024), 4)
    of_track = 17
    if tracks >= heads * 1024 or heads > 16:  # noqa: PLR2004 - what a BIOS could count
        of_track, heads = 31, 16
        tracks = sectors // of_track
    if tracks >= heads * 1024:
        of_track, heads = 63, 16
        tracks = sectors // of_track
    return tracks // heads, heads, of_track
