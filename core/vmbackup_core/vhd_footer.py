"""The footer of a fixed VHD, which lies behind the bytes of a disk that Azure takes or gives.

The layout is Microsoft's Virtual Hard Disk Image Format Specification, version 1.0.
"""

from __future__ import annotations

import struct
import uuid
from datetime import datetime, timezone
from typing import Final

FOOTER_BYTES: Final = 512

_SECTOR_BYTES: Final = 512

#: The earliest time that a footer can have.
EPOCH: Final = datetime(2000, 1, 1, tzinfo=timezone.utc)
_FIXED: Final = 2
#: Cookie, features (the bit that is always set), version, no further header, time, creator, its
#: version, its system, both sizes, geometry, kind, checksum, id, not saved by a suspended machine.
_FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
_CHECKSUM_AT: Final = 64

#: Readers believe the geometry, which ends at 127 GiB, of creators that they don't know; of this
#: one they take the size as it is said.
_CREATOR: Final = b"win "
_SYSTEM: Final = b"Wi2k"


def footer(size_bytes: int, created_at: datetime, image_id: uuid.UUID) -> bytes:
    """Return the footer of a fixed VHD of *size_bytes*."""
    made = bytearray(
        _FOOTER.pack(
            b"conectix",
            2,
            0x0001_0000,
            2**64 - 1,
            int((created_at - EPOCH).total_seconds()),
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
