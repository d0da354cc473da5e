"""A disk that is written comes back byte for byte, whatever it was built on."""

from __future__ import annotations

import random
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from msgspec.structs import replace

from tests.unit.repository.data.bench import (
    Bench,
    Written,
    changes,
    noise,
    pack_of,
)
from tests.unit.repository.data.samples import BLOCK, SEEDS, SHARD
from vmbackup_core.extents import Extent
from vmbackup_core.repository.data.grants import BadObject, BaseUnreadable, Parameters
from vmbackup_core.repository.data.pack_reader import read_footer
from vmbackup_core.repository.transfer import UNIT_BYTES

LARGE_BLOCK = 256 * 1024


def random_disk(draw: random.Random, length: int) -> bytes:
    """Return noise, text, zeros and repetitions, block by block."""
    common = [draw.randbytes(BLOCK) for _ in range(3)]
    content = bytearray()
    while len(content) < length:
        content += draw.choice(
            (bytes(BLOCK), draw.choice(common), draw.randbytes(BLOCK), b"text %d " % len(content))
        ).ljust(BLOCK, b"x")[:BLOCK]
    return bytes(content[:length])


def changed(draw: random.Random, content: bytes, length: int) -> bytes:
    """Return another state of a disk: some blocks differ, its length may too."""
    other = bytearray(content.ljust(length, b"\0")[:length])
    for _ in range(draw.randrange(6)):
        at = draw.randrange(length)
        piece = draw.choice((draw.randbytes(5), bytes(2 * BLOCK), draw.randbytes(BLOCK)))
        other[at : at + len(piece)] = piece[: length - at]
    return bytes(other)


@given(SEEDS)
def test_every_state_of_a_disk_is_restored(draw: random.Random) -> None:
    bench = Bench(threads=draw.choice((1, 3)))
    length = draw.randrange(1, 3 * SHARD)
    content = random_disk(draw, length)
    states = [bench.write(bench.grant(1, length), content)]
    for slot in range(2, 6):
        base = draw.choice(states[-2:])
        length = draw.choice((len(base.content), draw.randrange(1, 4 * SHARD)))
        content = changed(draw, draw.choice((base, states[-1])).content, length)
        grant = bench.grant(
            slot, length, newest=states[-1], base=base, deltas=draw.choice((True, False))
        )
        extents = changes(base.content, content)
        newest = states[-1].content.ljust(length, b"\0")[:length]
        states.append(bench.write(grant, content, extents, predecessor=newest))
        assert states[-1].done.changed_outside == 0
    for each in states:
        assert bench.restore(each)[0] == each.content


def test_only_allocated_extents_are_read_and_the_rest_is_zero() -> None:
    bench = Bench()
    content = noise(1, 3 * SHARD)
    extents = [Extent(5000, 100), Extent(SHARD - 1, 2), Extent(2 * SHARD + 10, BLOCK)]
    written = bench.write(bench.grant(1, len(content)), content, extents)
    owed = bytearray(len(content))
    for start, end in ((4096, 8192), (SHARD - BLOCK, SHARD + BLOCK), (2 * SHARD, 2 * SHARD + 8192)):
        owed[start:end] = content[start:end]
    assert bench.restore(written)[0] == bytes(owed)
    assert written.done.statistics.read_bytes == 5 * BLOCK


def test_a_disk_of_zeros_has_no_packs_and_no_index() -> None:
    bench = Bench()
    written = bench.write(bench.grant(1, 3 * SHARD), bytes(3 * SHARD))
    assert (bench.store.names("p"), bench.store.names("i")) == ([], [])
    assert bench.restore(written)[0] == bytes(3 * SHARD)


def increments(bench: Bench, count: int) -> list[Written]:
    """Return a full and *count* increments of one block each, all in the first shard."""
    content = noise(1, 2 * SHARD)
    states = [bench.write(bench.grant(1, len(content)), content)]
    for slot in range(2, count + 2):
        at = (slot % 60) * BLOCK
        content = content[:at] + noise(slot, BLOCK) + content[at + BLOCK :]
        grant = bench.grant(slot, len(content), newest=states[-1], base=states[-1])
        states.append(bench.write(grant, content, [Extent(at, BLOCK)]))
    return states


def test_small_changes_are_patches_until_they_weigh_as_much_as_a_base() -> None:
    bench = Bench()
    states = increments(bench, 14)
    kinds = []
    for before, after in pairwise(states):
        old, new = (bench.manifest(each).lines.line_of(0) for each in (before, after))
        assert old is not None
        assert new is not None
        if new.patch is None:
            kinds.append("base")
            assert new.patches_bytes == 0
        else:
            kinds.append("patch")
            assert new.base.sha256 == old.base.sha256
            assert old.patches_bytes + new.patch.length == new.patches_bytes < new.base.length
    assert kinds[0] == "patch"
    assert kinds.count("base") >= 1
    for each in states:
        assert bench.restore(each)[0] == each.content


def test_a_shard_that_did_not_change_is_named_as_it_was() -> None:
    bench = Bench()
    states = increments(bench, 1)
    old, new = (bench.manifest(each).lines.line_of(1) for each in states)
    assert old is not None
    assert new is not None
    assert old.base.sha256 == new.base.sha256
    # Read again in full, it is still what it was.
    content = states[-1].content
    grant = bench.grant(3, len(content), newest=states[-1])
    again = bench.write(grant, content)
    assert bench.store.names("i", 3) == []
    assert bench.store.names("p", 3) == []
    assert bench.restore(again)[0] == content


def test_packs_of_many_shards_are_filled_together() -> None:
    bench = Bench()
    content = noise(1, 8 * SHARD)
    first = bench.write(bench.grant(1, len(content)), content)
    after = bytearray(content)
    for shard in range(8):
        after[shard * SHARD : shard * SHARD + 8] = b"changed!"
    grant = bench.grant(2, len(content), newest=first, base=first)
    second = bench.write(grant, bytes(after), changes(content, bytes(after)))
    assert len(bench.store.names("p", 2)) == 1
    assert len(bench.store.names("i", 2)) == 1
    assert bench.restore(second)[0] == bytes(after)


def test_a_block_that_is_stored_is_not_stored_again() -> None:
    bench = Bench()
    block = noise(1, BLOCK)
    content = block * 64 + bytes(SHARD)
    first = bench.write(bench.grant(1, len(content)), content)
    assert first.done.statistics.new_blocks == 1
    assert first.done.statistics.reused_blocks == 63
    assert first.done.statistics.zero_blocks == 64
    grant = bench.grant(2, len(content), newest=first)
    second = bench.write(grant, content)
    assert second.done.statistics.new_blocks == 0
    assert second.done.statistics.reused_blocks == 64


def test_blocks_are_taken_only_from_the_newest_manifest() -> None:
    """W: an older base's places may go at any moment; its hashes say what to read."""
    bench = Bench()
    content = noise(1, 2 * SHARD)
    first = bench.write(bench.grant(1, len(content)), content)
    second = bench.write(bench.grant(2, len(content), newest=first), bytes(2 * SHARD))
    third = bench.write(
        bench.grant(3, len(content), newest=second, base=first), content, [Extent(0, BLOCK)]
    )
    for name in (*bench.store.names("p", 1), *bench.store.names("p", 2)):
        bench.store.delete(name)
    assert bench.restore(third)[0] == content
    assert third.done.statistics.read_bytes == len(content)
    assert third.done.changed_outside == 0


def test_a_change_that_no_extent_told_is_said() -> None:
    bench = Bench()
    content = noise(1, SHARD)
    first = bench.write(bench.grant(1, SHARD), content)
    second = bench.write(bench.grant(2, SHARD, newest=first), bytes(SHARD))
    lied = content[:BLOCK] + noise(9, 2 * BLOCK) + bytes(BLOCK) + content[4 * BLOCK :]
    third = bench.write(bench.grant(3, SHARD, newest=second, base=first), lied, [Extent(0, BLOCK)])
    assert third.done.changed_outside == 3
    assert bench.restore(third)[0] == lied


@pytest.mark.parametrize("what", ["missing", "records", "base of a delta"])
def test_bad_records_are_not_referred_to_again(what: str) -> None:
    bench = Bench()
    content = noise(1, SHARD)
    first = bench.write(bench.grant(1, SHARD), content)
    newest = first
    if what == "base of a delta":
        after = b"new" + content[3:]
        grant = bench.grant(2, SHARD, newest=first, base=first, deltas=True)
        newest = bench.write(grant, after, [Extent(0, BLOCK)], predecessor=content)
    (pack,) = bench.store.names("p", 1)
    records = (0, 3) if what == "records" else None
    footer, _ = read_footer(bench.store, bench.reader_keys(), pack_of(pack))
    parts = None if records is None else tuple(footer.records.offsets()[at] for at in records)
    bad = [BadObject("pack", pack_of(pack).packed().hex(), parts)]
    grant = bench.grant(3, SHARD, newest=newest, base=newest, bad=bad)
    third = bench.write(grant, newest.content, [])
    assert third.done.changed_outside == 0
    assert third.done.statistics.new_blocks == (2 if records else 64)
    # The next backup has nothing to do with what is bad still.
    grant = bench.grant(4, SHARD, newest=third, base=third, bad=bad)
    fourth = bench.write(grant, newest.content, [])
    assert fourth.done.statistics.new_blocks == 0
    if records is None:
        bench.store.delete(pack)
    else:
        damage_records(bench, pack, records)
    for each in (third, fourth):
        assert bench.restore(each)[0] == newest.content


def damage_records(bench: Bench, name: str, records: tuple[int, ...]) -> None:
    footer, _ = read_footer(bench.store, bench.reader_keys(), pack_of(name))
    content = bytearray(bench.store.get(name))
    for record in records:
        content[footer.records.offsets()[record]] ^= 1
    bench.store.replace(name, bytes(content))


def test_a_shard_whose_section_is_lost_is_read_and_stored_anew() -> None:
    bench = Bench()
    content = noise(1, 2 * SHARD)
    first = bench.write(bench.grant(1, len(content)), content)
    (index,) = bench.store.names("i")
    line = bench.manifest(first).lines.line_of(1)
    assert line is not None
    stored = bytearray(bench.store.get(index))
    stored[line.base.offset + 90] ^= 1
    bench.store.replace(index, bytes(stored))
    # Where nothing is to be read, the section is named again: only reading it tells.
    grant = bench.grant(2, len(content), newest=first, base=first)
    second = bench.write(grant, content, [Extent(SHARD, BLOCK), Extent(0, BLOCK)])
    assert second.done.statistics.new_blocks == 64
    assert bench.restore(second)[0] == content


@pytest.mark.parametrize("what", ["all", "section", "table"])
def test_bad_sections_and_tables_are_not_named_again(what: str) -> None:
    bench = Bench()
    content = noise(1, 2 * SHARD)
    first = bench.write(bench.grant(1, len(content)), content)
    (index,) = bench.store.names("i")
    manifest = bench.manifest(first)
    line, (at,) = manifest.lines.line_of(1), manifest.objects
    assert line is not None
    parts = {"all": None, "section": (line.base.offset,), "table": (at.table_offset,)}[what]
    bad = [BadObject("index", at.index.packed().hex(), parts)]
    bench.store.delete(index)
    grant = bench.grant(2, len(content), newest=first, base=first, bad=bad)
    if what == "section":  # of the other shard it is not said yet
        second = bench.write(grant, content, [Extent(0, BLOCK)])
    else:
        second = bench.write(grant, content, [])
    assert second.done.statistics.new_blocks == 128
    assert bench.restore(second)[0] == content


def test_a_base_that_does_not_open_asks_for_a_full() -> None:
    bench = Bench()
    states = increments(bench, 2)
    bench.store.delete(states[0].at.name)
    grant = bench.grant(4, 2 * SHARD, newest=states[-1], base=states[0])
    with pytest.raises(BaseUnreadable):
        bench.write(grant, states[-1].content, [])


def test_no_more_index_objects_stay_named_than_may() -> None:
    """Those of which fewest sections are named go; their shards get new bases, unread."""
    bench = Bench()
    content = noise(1, 4 * SHARD)
    states = [bench.write(bench.grant(1, len(content)), content)]
    for slot in range(2, 6):  # each makes an index object that stays named
        at = (slot - 2) * SHARD
        content = content[:at] + noise(slot, BLOCK) + content[at + BLOCK :]
        grant = bench.grant(slot, len(content), newest=states[-1], base=states[-1])
        states.append(bench.write(grant, content, [Extent(at, BLOCK)]))
    assert len(bench.manifest(states[-1]).objects) == 5
    grant = bench.grant(6, len(content), newest=states[-1], base=states[-1])
    last = bench.write(replace(grant, indexes_kept=2), content, [])
    assert last.done.statistics.read_bytes == 0
    assert bench.store.names("p", 6) == []
    objects = bench.manifest(last).objects
    assert len(objects) == 3
    assert sum(each.index.slot < 6 for each in objects) == 2
    assert bench.restore(last)[0] == content


def test_neighbouring_sections_are_read_together() -> None:
    bench = Bench()
    content = noise(1, 8 * SHARD)
    written = bench.write(bench.grant(1, len(content)), content)
    index = bench.index(written)
    for line in index.manifest.lines:
        index.shard(line)
    assert bench.store.ranges == bench.store.names("i") * 2  # the table, and all sections


def test_what_a_unit_is_compressed_to_takes_no_memory_beside_it() -> None:
    halves = [noise(each, LARGE_BLOCK // 2) for each in range(UNIT_BYTES // LARGE_BLOCK)]
    content = b"".join(half.ljust(LARGE_BLOCK) for half in halves)
    bench = Bench()
    parameters = Parameters(LARGE_BLOCK, UNIT_BYTES, UNIT_BYTES)
    grant = replace(bench.grant(1, len(content)), parameters=parameters)

    tracemalloc.start()
    written = bench.write(grant, content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    kept_by_the_store = len(content) // 2
    assert most < len(content) + parameters.pack_bytes + kept_by_the_store + 4 * LARGE_BLOCK
    assert bench.restore(written)[0] == content
