"""Blocks stored as what has changed since the newest manifest, and what lies beside them."""

from __future__ import annotations

import pytest

from tests.unit.repository.data.bench import Bench, Disk, changes, noise, pack_of
from tests.unit.repository.data.samples import BLOCK, SHARD, seeded
from vmbackup_core.extents import Extent
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.data.records import DELTA_LEVEL, TAG_BYTES, new_compressor


def test_deltas_are_made_where_they_are_shorter_and_restored() -> None:
    bench = Bench()
    content = noise(1, SHARD)
    first = bench.write(bench.grant(1, SHARD), content)
    after = bytearray(content)
    for at in range(10):
        after[at * BLOCK + 17 : at * BLOCK + 20] = b"new"
    grant = bench.grant(2, SHARD, newest=first, base=first, deltas=True)
    second = bench.write(grant, bytes(after), changes(content, bytes(after)), predecessor=content)
    assert second.done.statistics.delta_blocks == 10
    (pack,) = bench.store.names("p", 2)
    footer, size = read_footer(bench.store, bench.reader_keys(), pack_of(pack))
    assert bytes(footer.records.codecs) == b"\2" * 10
    assert size < 2 * BLOCK
    # A third keeps the deltas, and makes none on top of one.
    after[17:20] = b"NEW"
    grant = bench.grant(3, SHARD, newest=second, base=second, deltas=True)
    third = bench.write(grant, bytes(after), [Extent(0, BLOCK)], predecessor=second.content)
    assert third.done.statistics.delta_blocks == 0
    for each in (second, third):
        assert bench.restore(each)[0] == each.content


def test_of_a_predecessor_blocks_that_follow_each_other_are_read_at_once() -> None:
    """Those that are to be stored and have a whole block before them, no others."""
    bench, content = Bench(), bytes(BLOCK) + noise(1, SHARD - BLOCK)
    first = bench.write(bench.grant(1, SHARD), content)
    after = bytearray(content)
    for block in (0, 1, 2, 3, 9, 63):
        after[block * BLOCK + 17 : block * BLOCK + 20] = b"new"
    after[2 * BLOCK : 3 * BLOCK] = content[20 * BLOCK : 21 * BLOCK]
    before = Disk(content)
    grant = bench.grant(2, SHARD, newest=first, base=first, deltas=True)
    second = bench.write(grant, bytes(after), [Extent(0, SHARD)], predecessor=before)
    assert before.reads == [(at * BLOCK, BLOCK) for at in (1, 3, 9, 63)]
    assert second.done.statistics.delta_blocks == 4

    after[4 * BLOCK + 1 : 4 * BLOCK + 4] = after[5 * BLOCK + 1 : 5 * BLOCK + 4] = b"NEW"
    before = Disk(second.content)
    grant = bench.grant(3, SHARD, newest=second, base=second, deltas=True)
    third = bench.write(grant, bytes(after), [Extent(0, SHARD)], predecessor=before)
    assert before.reads == [(4 * BLOCK, 2 * BLOCK)]
    assert third.done.statistics.delta_blocks == 2
    assert bench.restore(third)[0] == after


@pytest.mark.parametrize("deltas", [False, True])
def test_what_is_stored_whole_beside_deltas_is_compressed_at_their_level(*, deltas: bool) -> None:
    bench = Bench()
    content = noise(1, SHARD)
    first = bench.write(bench.grant(1, SHARD), content)
    words = seeded(2).choices([b"disk ", b"block ", b"pack ", b"shard "], k=BLOCK)
    after = b"".join(words)[:BLOCK] + content[BLOCK:]
    grant = bench.grant(2, SHARD, newest=first, base=first, deltas=deltas)
    second = bench.write(grant, after, [Extent(0, BLOCK)], predecessor=content)
    assert second.done.statistics.delta_blocks == 0
    (pack,) = bench.store.names("p", 2)
    footer, _ = read_footer(bench.store, bench.reader_keys(), pack_of(pack))
    lengths = [
        len(new_compressor(level).compress(after[:BLOCK])) + TAG_BYTES
        for level in (grant.level, DELTA_LEVEL)
    ]
    assert lengths[0] > lengths[1]
    assert [*footer.records.lengths] == [lengths[deltas]]


def test_no_delta_is_made_after_a_predecessor_that_shows_other_bytes() -> None:
    bench = Bench()
    content = noise(1, SHARD)
    first = bench.write(bench.grant(1, SHARD), content)
    after = b"new" + content[3:]
    grant = bench.grant(2, SHARD, newest=first, base=first, deltas=True)
    second = bench.write(grant, after, [Extent(0, BLOCK)], predecessor=noise(2, SHARD))
    assert second.done.statistics.delta_blocks == 0
    assert bench.restore(second)[0] == after
