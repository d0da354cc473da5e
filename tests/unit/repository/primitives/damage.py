"""Bytes that differ from what was stored."""

from __future__ import annotations

from collections.abc import Iterator


def flipped(stored: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield *stored* with each of its bits flipped, and the bit's number."""
    for bit in range(8 * len(stored)):
        changed = bytearray(stored)
        changed[bit // 8] ^= 1 << bit % 8
        yield bit, bytes(changed)


def cut(stored: bytes) -> Iterator[bytes]:
    """Yield every beginning of *stored*, and *stored* with a byte more."""
    for length in range(len(stored)):
        yield stored[:length]
    yield stored + b"\0"
