"""Sections: columns come back, hostile ones are refused, and the patch is what differs."""

from __future__ import annotations

import random
import struct
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.data.samples import (
    BLOCK,
    SEEDS,
    SHARD_BLOCKS,
    base_of,
    limits,
    pack_row,
    random_view,
    seeded,
)
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.bitmaps import bitmap_of, positions
from vmbackup_core.repository.data.sections import (
    Bases,
    BaseSection,
    Entries,
    PatchSection,
    decode_base,
    decode_patch,
    encode_base,
    encode_patch,
)
from vmbackup_core.repository.data.shard_view import (
    ZERO,
    BaseAlone,
    NewBase,
    NewPatch,
    ShardView,
    StoredBase,
    check_places,
    choose,
    patched,
    view_of_base,
)
from vmbackup_core.repository.data.tables import PackRow
from vmbackup_core.repository.primitives.bounds import OF_SEALED
from vmbackup_core.repository.primitives.failures import NewerFormat

SHA = b"\x5a" * 32


def content(view: ShardView[PackRow]) -> list[object]:
    """Return what a shard says of each block, whatever the order of its rows and entries."""
    entries, before = view.entries, view.entries.bases_before()
    found: list[object] = []
    for at in view.at:
        if at == ZERO:
            found.append(None)
            continue
        place: list[object] = [
            view.rows[entries.rows[at]],
            entries.numbers[at],
            entries.offsets[at],
            entries.lengths[at],
            entries.codecs[at],
            entries.hash_at(at),
        ]
        if entries.codecs[at] == 2:
            bases, base = entries.bases, before[at]
            place += [
                view.rows[bases.rows[base]],
                bases.numbers[base],
                bases.offsets[base],
                bases.lengths[base],
                bases.codecs[base],
                bases.block_bytes[base],
                bases.hash_at(base),
            ]
        found.append(tuple(place))
    return found


def written_base(view: ShardView[PackRow]) -> tuple[bytes, ShardView[PackRow]]:
    """Return the payload of a base and the view that it is read as."""
    chosen = choose(view, None, lambda row: row.places, len)
    assert isinstance(chosen, NewBase)
    section = decode_base("base", chosen.payload, limits(len(chosen.rows)))
    return chosen.payload, view_of_base(section, chosen.rows)


@given(SEEDS, st.integers(0, 5))
def test_a_base_says_where_every_block_lies(draw: random.Random, rows: int) -> None:
    view = random_view(draw, rows, blocks=draw.randrange(1, SHARD_BLOCKS + 1))
    _, read = written_base(view)
    assert content(read) == content(view)
    assert read.used_blocks == view.used_blocks
    check_places("base", read)


@given(SEEDS)
def test_a_patch_over_its_base_says_what_is_now(draw: random.Random) -> None:
    payload, before = written_base(random_view(draw, 4, blocks=draw.randrange(1, SHARD_BLOCKS + 1)))
    now = changed(draw, before)
    stored = StoredBase(before, SHA, 10**9, 0)
    chosen = choose(now, stored, lambda row: row.places, len)
    if content(now) == content(before) + [None] * (now.blocks - before.blocks):
        assert isinstance(chosen, BaseAlone)
        return
    assert isinstance(chosen, NewPatch)
    assert chosen.patched_bytes == len(chosen.payload) < len(payload) + 10**9
    section = decode_patch("patch", chosen.payload, limits(len(chosen.rows)))
    assert section.base_sha256 == SHA
    read = patched(before, section, chosen.rows)
    assert content(read) == content(now)
    differ = [
        block
        for block, (ours, theirs) in enumerate(zip(content(now), content(before), strict=False))
        if ours != theirs
    ]
    grown = [block for block in range(before.blocks, now.blocks) if now.at[block] != ZERO]
    assert list(positions(section.decided)) == differ + grown


def changed(draw: random.Random, before: ShardView[PackRow]) -> ShardView[PackRow]:
    """Return a shard that is as before but for some blocks, and perhaps longer."""
    blocks = draw.randrange(before.blocks, SHARD_BLOCKS + 1)
    other = random_view(draw, 6, blocks=blocks)
    rows = [*before.rows, *(pack_row(each.holder_number + 100) for each in other.rows)]
    entries = Entries()
    at = before.at[:]
    at.extend([ZERO] * (blocks - before.blocks))
    merged = ShardView(before.shard, rows, at, entries)
    first = len(before.entries)
    for source, shift in ((before.entries, 0), (other.entries, len(before.rows))):
        for ours, theirs in ((entries, source), (entries.bases, source.bases)):
            ours.rows.extend(row + shift for row in theirs.rows)
            ours.numbers.extend(theirs.numbers)
            ours.offsets.extend(theirs.offsets)
            ours.lengths.extend(theirs.lengths)
            ours.codecs.extend(theirs.codecs)
            ours.hashes.extend(theirs.hashes)
        entries.bases.block_bytes.extend(source.bases.block_bytes)
    for block in draw.sample(range(blocks), draw.randrange(blocks + 1)):
        at[block] = ZERO if other.at[block] == ZERO else other.at[block] + first
    return merged


def test_a_patch_ends_where_all_patches_would_be_as_long_as_the_base() -> None:
    draw = seeded(7)
    _, before = written_base(random_view(draw, 4))
    now = changed(draw, before)

    def chosen(base_bytes: int, patched_bytes: int) -> object:
        stored = StoredBase(before, SHA, base_bytes, patched_bytes)
        return choose(now, stored, lambda row: row.places, lambda _payload: 100)

    assert isinstance(chosen(1000, 899), NewPatch)
    assert isinstance(chosen(1000, 900), NewBase)
    assert isinstance(chosen(100, 0), NewBase)
    assert isinstance(chosen(101, 0), NewPatch)


def test_a_shard_that_is_its_base_again_has_no_patch() -> None:
    _, before = written_base(random_view(seeded(7), 4))
    stored = StoredBase(before, SHA, 1000, 900)
    assert isinstance(choose(before, stored, lambda row: row.places, len), BaseAlone)


def test_a_block_that_lies_elsewhere_now_is_decided_by_the_patch() -> None:
    _, before = written_base(random_view(seeded(7), 4))
    moved = ShardView(before.shard, [pack_row(900), *before.rows[1:]], before.at, before.entries)
    stored = StoredBase(before, SHA, 10**6, 0)
    chosen = choose(moved, stored, lambda row: row.places, len)
    assert isinstance(chosen, NewPatch)
    section = decode_patch("patch", chosen.payload, limits(len(chosen.rows)))
    assert content(patched(before, section, chosen.rows)) == content(moved)


def test_a_base_has_the_layout_of_the_page() -> None:
    view = ShardView(1, [pack_row(3)], random_view(seeded(0), 0, blocks=3).at, Entries())
    view.at[1] = view.at[2] = 0
    view.entries.rows.append(0)
    view.entries.numbers.append(9)
    view.entries.offsets.append(1064)
    view.entries.lengths.append(100)
    view.entries.codecs.append(1)
    view.entries.hashes.extend(b"\xab" * 16)
    payload, _ = written_base(view)
    # The second of the two blocks has the same place: 0 - (9 + 1) and 1064 - 1164 from what is due.
    assert payload == (
        struct.pack("<IIII", 1, 3, 2, 0)
        + b"\x06"
        + struct.pack("<II", 0, 0)
        + struct.pack("<II", 9, 2**32 - 1)
        + struct.pack("<II", 1000, 2**32 - 100)
        + struct.pack("<II", 100, 100)
        + b"\x01\x01"
        + b"\xab" * 32
    )


@given(SEEDS)
def test_no_cut_or_grown_section_is_read(draw: random.Random) -> None:
    payload, _ = written_base(random_view(draw, 4))
    for altered in (payload[: draw.randrange(len(payload))], payload + b"\0"):
        with pytest.raises(CorruptRepository):
            decode_base("base", altered, limits(4))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_section_or_damaged(payload: bytes) -> None:
    for decode in (decode_base, decode_patch):
        with pytest.raises((CorruptRepository, NewerFormat)):
            decode("section", payload, limits(2))


def test_counts_that_the_bytes_do_not_bear_allocate_nothing() -> None:
    most = 2**32 - 1
    tracemalloc.start()
    try:
        for head in ((1, most, 0, 0), (1, 64, most, 0), (1, 64, 0, most), (most, 64, 0, 0)):
            with pytest.raises(CorruptRepository):
                decode_base("base", struct.pack("<IIII", *head) + bytes(100), limits(1))
        for patch in ((1, 64, most, 0, 0), (1, 64, 64, most, 0), (1, 64, 64, 0, most)):
            with pytest.raises(CorruptRepository):
                decode_patch("patch", struct.pack("<IIIII", *patch) + bytes(100), limits(1))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_section_names_no_pack_that_its_table_does_not_give_it() -> None:
    view = random_view(seeded(3), 4)
    payload = encode_base(base_of(written_base(view)[1]))
    with pytest.raises(CorruptRepository, match="of 1 packs"):
        decode_base("base", payload, limits(1))


def test_a_section_lies_within_its_disk() -> None:
    payload, _ = written_base(random_view(seeded(3), 4, shard=3))
    decode_base("base", payload, limits(4, blocks=4 * SHARD_BLOCKS))
    with pytest.raises(CorruptRepository, match="shard 3"):
        decode_base("base", payload, limits(4, blocks=3 * SHARD_BLOCKS))
    with pytest.raises(CorruptRepository, match="shard 3"):
        decode_base("base", payload, limits(4, blocks=4 * SHARD_BLOCKS - 1))


def test_a_record_lies_within_its_pack_and_is_no_longer_than_a_block() -> None:
    _, view = written_base(random_view(seeded(3), 4))
    view.entries.offsets[0] = 63
    with pytest.raises(CorruptRepository, match="a record at 63"):
        check_places("base", view)
    view.entries.offsets[0] = view.rows[0].size_bytes
    with pytest.raises(CorruptRepository, match="a record at"):
        check_places("base", view)
    view.entries.lengths[0] = BLOCK + 17
    with pytest.raises(CorruptRepository, match="of at most"):
        decode_base("base", encode_base(base_of(view)), limits(4))


def test_an_unknown_codec_is_not_understood() -> None:
    _, view = written_base(random_view(seeded(3), 4))
    view.entries.codecs[0] = 3
    with pytest.raises(NewerFormat):
        decode_base("base", encode_base(base_of(view)), limits(4))


@given(st.lists(st.booleans(), max_size=70))
def test_a_bitmap_has_its_lowest_bit_first(flags: list[bool]) -> None:
    bitmap = bitmap_of(bytes(flags))
    assert len(bitmap) == -(-len(flags) // 8)
    assert list(positions(bitmap)) == [at for at, flag in enumerate(flags) if flag]


def test_a_section_of_the_most_blocks_is_within_its_bound() -> None:
    rows, blocks = 3, 65_536
    view = random_view(seeded(1), rows, blocks=1)
    entries, bases = Entries(), Bases()
    for column in (entries.rows, entries.numbers, entries.offsets, entries.lengths):
        column.extend([0] * blocks)
    entries.codecs.extend(b"\x02" * blocks)
    entries.hashes.extend(bytes(16 * blocks))
    for column in (bases.rows, bases.numbers, bases.offsets, bases.lengths, bases.block_bytes):
        column.extend([0] * blocks)
    bases.codecs.extend(bytes(blocks))
    bases.hashes.extend(bytes(16 * blocks))
    whole = replace(entries, bases=bases)
    used = bitmap_of(b"\x01" * blocks)
    bound = OF_SEALED["SECT"].payload
    assert len(encode_base(BaseSection(view.shard, blocks, used, whole))) <= bound
    patch = PatchSection(view.shard, blocks, SHA, used, used, whole)
    assert len(encode_patch(patch)) <= bound
