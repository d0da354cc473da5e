"""The footer of a fixed VHD: the last 512 bytes of every exported disk.

Layout: Virtual Hard Disk Image Format Specification 1.0, big-endian.
"""

from __future__ import annotations

import struct
import uuid

FOOTER_BYTES = 512
_SECTOR = 512
_CHECKSUM_AT = 64
_SIZES_AT = 40  # and behind them geometry, kind and checksum
_FIXED = 2
_NO_DYNAMIC_HEADER = 0xFFFF_FFFF_FFFF_FFFF
_FORMAT = struct.Struct(">8sIIQI4sI4sQQIII16sB")


def vhd_footer(size_bytes: int, disk: uuid.UUID, created_at: int) -> bytes:
    """Return the footer of a disk of *size_bytes*; *created_at* is in seconds since 2000."""
    footer = bytearray(
        _FORMAT.pack(
            b"conectix",
            2,  # reserved bit, always set
            0x0001_0000,  # version 1.0 of the format
            _NO_DYNAMIC_HEADER,
            created_at,
            b"win ",
            0x000A_0000,
            b"Wi2k",
            size_bytes,
            size_bytes,
            _geometry(size_bytes),
            _FIXED,
            0,
            disk.bytes,
            0,
        )
    )
    footer.extend(bytes(FOOTER_BYTES - len(footer)))
    struct.pack_into(">I", footer, _CHECKSUM_AT, checksum(bytes(footer)))
    return bytes(footer)


def is_footer(footer: bytes, size_bytes: int) -> bool:
    """Tell whether *footer* makes a fixed VHD of the *size_bytes* before it."""
    if len(footer) != FOOTER_BYTES or footer[:8] != b"conectix":
        return False
    _, current, _, kind, said = struct.unpack_from(">QQIII", footer, _SIZES_AT)
    found = (int(current), int(kind), int(said))
    return found == (size_bytes, _FIXED, checksum(footer))


def checksum(footer: bytes) -> int:
    """Return the one's complement of the sum of all bytes but the checksum's own four."""
    return ~(sum(footer) - sum(footer[_CHECKSUM_AT : _CHECKSUM_AT + 4])) & 0xFFFF_FFFF


def _geometry(size_bytes: int) -> int:
    """Return cylinders, heads and sectors per track as the specification's appendix has them."""
    sectors = min(size_bytes // _SECTOR, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        heads, track = 16, 255
    else:
        heads, track = max(4, (sectors // 17 + 1023) // 1024), 17
        if sectors // 17 >= heads * 1024 or heads > 16:  # noqa: PLR2004 - heads are four bits
            heads, track = 16, 31
        if sectors // track >= heads * 1024:
            heads, track = 16, 63
    return (sectors // track // heads) << 16 | heads << 8 | track
