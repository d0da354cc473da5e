"""Bitmaps as stored structures hold them: bit i mod 8 of byte ⌊i/8⌋, the lowest bit first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.stores.port import Buffer


def bitmap_bytes(bits: int) -> int:
    """Return how many bytes hold *bits*."""
    return (bits + 7) // 8


def bits_set(bitmap: Buffer) -> int:
    """Return how many bits are set."""
    return int.from_bytes(bitmap, "little").bit_count()


def positions(bitmap: Buffer) -> Iterator[int]:
    """Return the numbers of the bits that are set, in order."""
    flags = flags_of(bitmap, 8 * len(bitmap))
    return compress(range(len(flags)), flags)


def flags_of(bitmap: Buffer, bits: int) -> bytes:
    """Return a byte of 0 or 1 for each of the first *bits* of *bitmap*."""
    digits = f"{int.from_bytes(bitmap, 'little'):0{8 * len(bitmap)}b}"
    return digits.encode().translate(_FLAGS)[::-1][:bits]


def bitmap_of(flags: bytes) -> bytes:
    """Return the bitmap with a bit for each of *flags*, bytes of 0 or 1."""
    bits = int(flags[::-1].translate(_DIGITS) or b"0", 2)
    return bits.to_bytes(bitmap_bytes(len(flags)), "little")


def checked_bitmap(name: str, bitmap: bytes, bits: int, used: int) -> None:
    """Raise where *bitmap* has not *used* of its *bits* set, or a spare bit."""
    number = int.from_bytes(bitmap, "little")
    if number >> bits:
        raise CorruptRepository(f"{name}: a bit is set behind the {bits} of a bitmap")
    if number.bit_count() != used:
        raise CorruptRepository(f"{name}: {number.bit_count()} blocks marked, {used} listed")


_DIGITS = bytes.maketrans(b"\x00\x01", b"01")
_FLAGS = bytes.maketrans(b"01", b"\x00\x01")
