"""Blocks of the repository: what is read around a change, and what a restore writes."""

from __future__ import annotations

from collections.abc import Iterable

from vmbackup_core.repository.data.grants import Parameters

BLOCK_BYTES = Parameters().block_bytes


def blocks_of(extents: Iterable[tuple[int, int]]) -> set[int]:
    """Return the numbers of the blocks that *extents* touch."""
    return {
        number
        for offset, length in extents
        for number in range(offset // BLOCK_BYTES, (offset + length - 1) // BLOCK_BYTES + 1)
    }
