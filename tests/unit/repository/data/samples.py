"""Values of the format's data place, drawn at random within what the page allows."""

from __future__ import annotations

import random
from array import array

from hypothesis import strategies as st

from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_core.repository.data.bitmaps import bitmap_of
from vmbackup_core.repository.data.sections import Bases, BaseSection, Entries, Limits
from vmbackup_core.repository.data.shard_view import ZERO, ShardView
from vmbackup_core.repository.data.tables import PackRow, SessionRow
from vmbackup_core.repository.primitives.frames import DELTA
from vmbackup_core.repository.primitives.identities import WritingSession

BLOCK = 4096
SHARD_BLOCKS = 64
SHARD = SHARD_BLOCKS * BLOCK
PACK_SIZE = 32 * 1024 * 1024


def seeded(seed: int) -> random.Random:
    """Return a source of the same numbers each time."""
    return random.Random(seed)  # noqa: S311 - what is drawn is no secret


#: For hypothesis, whose own random numbers are slow where there are many.
SEEDS = st.integers(0, 2**32 - 1).map(seeded)


def session_row(number: int, *, slot: int = 1, epoch: int = 1) -> SessionRow:
    return SessionRow(
        CommitSlot(slot), WritingSession(f"{number:032x}"), RunId(f"{number + 77:032x}"), epoch
    )


def pack_row(number: int, *, session: int = 5, moved_from: int | None = None) -> PackRow:
    by = session_row(session)
    if moved_from is None:
        return PackRow.own(by, number, PACK_SIZE)
    return PackRow(by, number, PACK_SIZE, session_row(session + 1), moved_from)


def limits(rows: int, *, blocks: int = 4 * SHARD_BLOCKS) -> Limits:
    return Limits(BLOCK, SHARD, blocks * BLOCK, rows)


def random_view(
    draw: random.Random, rows: int, *, shard: int = 1, blocks: int = SHARD_BLOCKS
) -> ShardView[PackRow]:
    """Return a shard with blocks that are zero, follow each other, repeat, or are deltas."""
    entries = Entries()
    at = array("I")
    number, offset, row = 0, 64, 0
    for _ in range(blocks):
        if not rows or draw.random() < 0.3:
            at.append(ZERO)
            continue
        if len(entries) and draw.random() < 0.1:
            at.append(draw.randrange(len(entries)))
            continue
        if draw.random() < 0.2:
            row, number = draw.randrange(rows), draw.randrange(60_000)
            offset = draw.randrange(64, 30_000_000)
        length = draw.randrange(17, BLOCK + 17)
        _append(entries, (row, number, offset, length), draw.randrange(3), draw)
        if entries.codecs[-1] == DELTA:
            _append_base(entries.bases, draw.randrange(rows), draw)
        at.append(len(entries) - 1)
        number, offset = number + 1, offset + length
    return ShardView(shard, [pack_row(each) for each in range(rows)], at, entries)


def base_of(view: ShardView[PackRow]) -> BaseSection:
    """Return *view* as a base whose rows are its own; every entry has one block."""
    used = bitmap_of(bytes(each != ZERO for each in view.at))
    return BaseSection(view.shard, view.blocks, used, view.entries)


def _append(
    entries: Entries, place: tuple[int, int, int, int], codec: int, draw: random.Random
) -> None:
    columns = (entries.rows, entries.numbers, entries.offsets, entries.lengths)
    for column, value in zip(columns, place, strict=True):
        column.append(value)
    entries.codecs.append(codec)
    entries.hashes.extend(draw.randbytes(16))


def _append_base(bases: Bases, row: int, draw: random.Random) -> None:
    bases.rows.append(row)
    bases.numbers.append(draw.randrange(60_000))
    bases.offsets.append(draw.randrange(64, 30_000_000))
    bases.lengths.append(draw.randrange(17, BLOCK + 17))
    bases.codecs.append(draw.randrange(2))
    bases.block_bytes.append(BLOCK)
    bases.hashes.extend(draw.randbytes(16))
