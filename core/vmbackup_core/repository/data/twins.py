"""Tells in little memory whether one of many rows is there twice: who wrote them may be hostile."""

from __future__ import annotations

from typing import Final

#: As many bits as mark which hashes were met: 2 MiB for the largest table.
_BITS_MOST: Final = 1 << 24
#: Bits for each row: one row in so many shares its bit with another one by chance.
_BITS_OF_ROW: Final = 16


def has_twin(rows: bytes, size: int) -> bool:
    """Tell whether two of *rows*, of *size* bytes each, are the same.

    A bit for each hash picks the few rows that may have a twin; these alone are compared. Hashes
    are keyed by the process, so nobody can have all rows picked but by twins.
    """
    bits = min(_BITS_MOST, max(8, len(rows) // size * _BITS_OF_ROW))
    met = bytearray(bits // 8 + 1)
    picked: set[int] = set()
    for at in range(0, len(rows), size):
        bit = hash(rows[at : at + size]) % bits
        byte, mask = bit >> 3, 1 << (bit & 7)
        if met[byte] & mask:
            picked.add(bit)
        met[byte] |= mask
    return bool(picked) and _is_twice(rows, size, bits, picked)


def _is_twice(rows: bytes, size: int, bits: int, picked: set[int]) -> bool:
    compared: set[bytes] = set()
    for at in range(0, len(rows), size):
        row = rows[at : at + size]
        if hash(row) % bits in picked:
            if row in compared:
                return True
            compared.add(row)
    return False
