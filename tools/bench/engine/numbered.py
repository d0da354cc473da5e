"""Disks whose every block is stored, larger than any file here: made as they are read.

Each block begins with bytes of its own, drawn by its number and the state that it is of; behind
them all have the same text. So each has a hash and a record of its own, and little is stored.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from typing_extensions import override

from azure_simulator.disks.sparse import Extent
from vmbackup_core.repository.data.grants import Parameters
from vmbackup_core.repository.transfer import DiskSource

BLOCK: Final = Parameters().block_bytes

#: It compresses to some 60 bytes.
_TEXT: Final = b"the quick brown fox jumps over the lazy dog, and over it again.\n"
_WHOLE: Final = memoryview(_TEXT * (BLOCK // len(_TEXT)))
#: What tells that a buffer has the text behind a block's own bytes already.
_END: Final = bytes(_WHOLE[-64:])
_LEAST_OWN: Final = 16


def own_bytes(state: int, number: int, most: int) -> bytes:
    """Return what block *number* begins with in *state*: 16 bytes to *most*, or all of it."""
    drawn = hashlib.shake_128(state.to_bytes(4, "big") + number.to_bytes(8, "big"))
    if most == BLOCK:
        return drawn.digest(BLOCK)
    length = _LEAST_OWN + int.from_bytes(drawn.digest(8), "big") % (most - _LEAST_OWN + 1)
    return drawn.digest(length)


@dataclass(frozen=True)
class Numbered:
    """State *state* of such a disk: *changed* blocks are of it, all others of the first state.

    Those of the first state begin with up to *own* bytes of their own, changed ones with up to
    *changed_own*; with a whole block they are these bytes and nothing else.
    """

    disk_bytes: int
    own: int
    state: int = 1
    changed_own: int = _LEAST_OWN
    changed: Sequence[Extent] = ()

    @cached_property
    def _starts(self) -> list[int]:
        return [offset for offset, _ in self.changed]

    def own_of(self, number: int) -> bytes:
        """Return what a block begins with."""
        found = bisect_right(self._starts, (number + 1) * BLOCK - 1) - 1
        if found >= 0 and sum(self.changed[found]) > number * BLOCK:
            return own_bytes(self.state, number, self.changed_own)
        return own_bytes(1, number, self.own)

    def pieces(self, at: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes from *at* to *end* without copying the text."""
        while at < end:
            number, into = divmod(at, BLOCK)
            stop = min(BLOCK, into + end - at)
            own = memoryview(self.own_of(number))
            if into < len(own):
                yield own[into:stop]
            if stop > len(own):
                yield _WHOLE[max(into, len(own)) : stop]
            at += stop - into


class NumberedSource(DiskSource):
    """Such a disk in this process; read by whole blocks into buffers that nobody else writes."""

    def __init__(self, disk: Numbered) -> None:
        self._disk = disk

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        for at in range(0, len(buffer), BLOCK):
            own = self._disk.own_of((offset + at) // BLOCK)
            if bytes(buffer[at + BLOCK - len(_END) : at + BLOCK]) != _END:
                buffer[at : at + BLOCK] = _WHOLE
            # One that was there before may have had more bytes of its own.
            most = max(self._disk.own, self._disk.changed_own)
            buffer[at : at + most] = own + bytes(_WHOLE[len(own) : most])
