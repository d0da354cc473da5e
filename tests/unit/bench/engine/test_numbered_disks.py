"""A disk that is made as it is read: the same wherever it is read, each block like no other."""

from __future__ import annotations

from tools.bench.engine.full_disk import first_state, one_changed_block, scattered_pages
from tools.bench.engine.numbered import BLOCK, Numbered, NumberedSource, own_bytes

SIZE = 64 * BLOCK
#: One whole block is changed, and a page in each of two others.
LATER = Numbered(SIZE, 256, 2, BLOCK, [(3 * BLOCK, BLOCK), (9 * BLOCK + 4096, 4096)])


def read(disk: Numbered, at: int, end: int) -> bytes:
    return b"".join(bytes(piece) for piece in disk.pieces(at, end))


def test_the_same_bytes_come_by_any_cut_and_in_this_process() -> None:
    whole = read(LATER, 0, SIZE)
    cuts = [0, 7, 300, BLOCK - 1, BLOCK, 3 * BLOCK + 5000, 9 * BLOCK + 20, 40 * BLOCK + 1, SIZE]
    buffer = bytearray(SIZE)
    NumberedSource(LATER).read_into(0, memoryview(buffer))

    assert len(whole) == SIZE
    assert b"".join(map(read, [LATER] * len(cuts), cuts, cuts[1:])) == whole
    assert buffer == whole


def test_a_buffer_that_was_used_before_shows_nothing_of_that() -> None:
    used, fresh = bytearray(16 * BLOCK), bytearray(16 * BLOCK)
    source = NumberedSource(LATER)
    source.read_into(0, memoryview(used))
    source.read_into(16 * BLOCK, memoryview(used))
    source.read_into(16 * BLOCK, memoryview(fresh))

    assert used == fresh


def test_every_block_is_like_no_other_and_only_changed_ones_differ() -> None:
    first = [read(Numbered(SIZE, 256), at, at + BLOCK) for at in range(0, SIZE, BLOCK)]
    later = [read(LATER, at, at + BLOCK) for at in range(0, SIZE, BLOCK)]

    assert len(set(first) | set(later)) == 64 + 2
    assert [number for number in range(64) if first[number] != later[number]] == [3, 9]


def test_what_a_block_begins_with_has_lengths_of_all_kinds() -> None:
    lengths = [len(own_bytes(1, number, 256)) for number in range(2000)]

    assert (min(lengths), max(lengths)) == (16, 256)


def test_one_block_is_changed_that_compresses_to_nothing_less() -> None:
    disk = one_changed_block(SIZE)
    (changed,) = disk.changed

    assert len(disk.own_of(changed[0] // BLOCK)) == BLOCK


def test_pages_are_changed_in_as_many_blocks() -> None:
    pages = scattered_pages(2**32, 0.01, part=4).changed

    assert max(offset for offset, _ in pages) < 2**30
    assert sum(length for _, length in pages) / 2**30 == 0.01 - 0.01 % (4096 / 2**30)
    assert len({offset // BLOCK for offset, _ in pages}) == len(pages)


def test_a_first_state_has_nothing_changed() -> None:
    assert first_state(SIZE).changed == ()
