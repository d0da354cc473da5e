"""Blocks outside the changed extents: which are drawn, which are looked at, what differs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.repository.data.bench import Bench, Written, noise
from tests.unit.repository.data.samples import BLOCK, SHARD
from tests.worlds.hand_made_grants import Disk
from vmbackup_core.extents import Extent, Extents
from vmbackup_core.ids import RunId
from vmbackup_core.repository.data.sample_back import Sampled
from vmbackup_core.repository.data.sample_outside import SampleOutside, draw

#: Three shards: one that is full, one that is empty, one with every second block.
CONTENT = (
    noise(1, SHARD)
    + bytes(SHARD)
    + b"".join(noise(at, BLOCK) if at % 2 else bytes(BLOCK) for at in range(2, 2 + SHARD // BLOCK))
)
BLOCKS = len(CONTENT) // BLOCK
USED = BLOCKS // 2


class Drawn:
    """Says what was to be drawn, and draws the first."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, most: int, count: int) -> Sequence[int]:
        self.asked.append((most, count))
        return range(min(most, count))


@pytest.fixture
def base() -> tuple[Bench, Written]:
    bench = Bench()
    return bench, bench.write(bench.grant(1, len(CONTENT)), CONTENT)


def sampled(
    base: tuple[Bench, Written],
    now: bytes,
    changed: Sequence[Extent],
    count: int,
    drawn: Drawn | None = None,
) -> Sampled:
    bench, written = base
    keys = bench.writer_keys(RunId("e" * 32))
    sample = SampleOutside(bench.store, keys, bench.manifest(written), 2, drawn or draw)
    return sample.compare(Disk(now), Extents(changed), count)


def test_half_are_drawn_of_what_is_not_zero_and_half_of_all(base: tuple[Bench, Written]) -> None:
    drawn = Drawn()
    found = sampled(base, CONTENT, [], 9, drawn)

    assert drawn.asked == [(BLOCKS, 4), (USED, 5)]
    assert found == Sampled(5, ())  # what both have drawn is looked at once


def test_what_has_changed_is_not_looked_at(base: tuple[Bench, Written]) -> None:
    now = noise(7, SHARD) + CONTENT[SHARD:]

    assert sampled(base, now, [Extent(0, SHARD)], 2 * BLOCKS) == Sampled(BLOCKS * 2 // 3, ())
    assert sampled(base, now, [Extent(10, SHARD - BLOCK)], 2 * BLOCKS).differing == ()


@pytest.mark.parametrize("at", [3, SHARD // BLOCK + 2, 2 * SHARD // BLOCK, BLOCKS - 1])
def test_a_block_that_is_another_is_named(base: tuple[Bench, Written], at: int) -> None:
    now = bytearray(CONTENT)
    now[at * BLOCK + 5] ^= 1

    assert sampled(base, bytes(now), [], 2 * BLOCKS).differing == (at,)


def test_a_block_that_has_become_zero_is_named(base: tuple[Bench, Written]) -> None:
    now = bytes(BLOCK) + CONTENT[BLOCK:]

    assert sampled(base, now, [], 2 * BLOCKS).differing == (0,)


def test_nothing_is_looked_at_where_nothing_is_asked_for(base: tuple[Bench, Written]) -> None:
    assert sampled(base, bytes(len(CONTENT)), [], 0) == Sampled(0, ())


def test_sections_that_do_not_open_are_passed_over(base: tuple[Bench, Written]) -> None:
    bench, _ = base
    for name in bench.store.names("i", 1):
        bench.store.delete(name)

    # What the empty shard has is known without a section.
    assert sampled(base, CONTENT, [], 2 * BLOCKS) == Sampled(SHARD // BLOCK, ())


def test_draws_are_different_numbers_below_the_bound_and_others_each_time() -> None:
    first, second = draw(10**9, 50), draw(10**9, 50)

    assert len(set(first)) == len(set(second)) == 50
    assert max(first) < 10**9
    assert set(first) != set(second)
    assert sorted(draw(3, 50)) == [0, 1, 2]
