"""A disk of other content becomes the point's: what differs is written, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tests.unit.repository.data.bench import Bench, Written, changes, noise
from tests.unit.repository.data.samples import BLOCK, SHARD, SHARD_BLOCKS
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.differences import Comparison, DiskInPlace, Rewritten
from vmbackup_core.repository.data.healing import NothingHealed
from vmbackup_core.stores.port import Buffer

#: Three shards: one full, one that is zero but for its ends, one that ends within a block.
POINT = (
    noise(1, SHARD)
    + noise(2, BLOCK)
    + bytes(SHARD - 2 * BLOCK)
    + noise(3, BLOCK)
    + noise(4, 5 * BLOCK + 700)
)


class InPlace(DiskInPlace):
    """A disk that has content, and how much of it was read and written."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        self.read_bytes = 0
        self.written: list[tuple[int, int]] = []
        self._lock = threading.Lock()

    @override
    def read_into(self, offset: int, buffer: memoryview) -> None:
        assert offset + len(buffer) <= len(self.content)
        buffer[:] = self.content[offset : offset + len(buffer)]
        with self._lock:
            self.read_bytes += len(buffer)

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        assert offset + len(data) <= len(self.content)
        self.content[offset : offset + len(data)] = data
        with self._lock:
            self.written.append((offset, len(data)))

    @property
    def written_bytes(self) -> int:
        return sum(length for _, length in self.written)


class Case:
    """A point of one disk, and a disk that is made the same."""

    def __init__(self, threads: int = 1, content: bytes = POINT) -> None:
        self.bench = Bench(threads=threads)
        self.point = self.bench.write(self.bench.grant(1, len(content)), content)
        self.compared: list[int] = []
        self.told: list[int] = []

    def comparison(self, disk: InPlace, point: Written | None = None) -> Comparison:
        return Comparison(
            self.bench.store,
            self.bench.reader_keys(),
            self.bench.manifest(point or self.point),
            disk,
            len(disk.content),
            self.bench.threads,
            self.compared.append,
        )

    def rewrite(self, disk: InPlace, point: Written | None = None) -> Rewritten:
        return self.comparison(disk, point).rewrite(NothingHealed(), self.told.append)


def edited(content: bytes, blocks: Sequence[int], fill: int) -> bytes:
    """Return *content* with a byte of each of *blocks* changed."""
    changed = bytearray(content)
    for block in blocks:
        at = min(block * BLOCK + 17, len(content) - 1)
        changed[at] = changed[at] ^ fill
    return bytes(changed)


def differing(before: bytes, after: bytes) -> int:
    """Return how many bytes are in blocks of *after* that *before* has otherwise."""
    return sum(each.length for each in changes(before, after))


STATES = {
    "the same": POINT,
    "zeros": bytes(len(POINT)),
    "noise throughout": noise(9, len(POINT)),
    "one byte of one block": edited(POINT, [3], 1),
    "the last block, which is short": edited(POINT, [2 * SHARD_BLOCKS + 5], 1),
    "what the point has as zeros": edited(POINT, [SHARD_BLOCKS + 1, SHARD_BLOCKS + 9], 1),
    "zeros where the point has blocks": bytes(4 * BLOCK) + POINT[4 * BLOCK :],
}


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_what_differs_is_written_and_nothing_else(state: bytes, threads: int) -> None:
    case, disk = Case(threads), InPlace(state)

    rewritten = case.rewrite(disk)

    assert disk.content == POINT
    assert rewritten.differing_bytes == differing(state, POINT)
    assert rewritten.written_bytes == disk.written_bytes == rewritten.differing_bytes
    assert disk.read_bytes == sum(case.compared) == len(POINT)
    assert case.told[-1:] == ([rewritten.written_bytes] if rewritten.written_bytes else [])


@given(st.sets(st.integers(0, len(POINT) // BLOCK)), st.integers(1, 255))
def test_any_blocks_that_were_changed_come_back(blocks: set[int], fill: int) -> None:
    state = edited(POINT, sorted(blocks), fill)
    case, disk = Case(), InPlace(state)

    rewritten = case.rewrite(disk)

    assert disk.content == POINT
    assert rewritten == Rewritten(differing(state, POINT), differing(state, POINT))


def test_only_packs_of_what_differs_are_read() -> None:
    case = Case()

    def packs() -> int:
        return sum("/p/" in name for name in case.bench.store.ranges)

    case.rewrite(InPlace(POINT))
    assert packs() == 0
    case.rewrite(InPlace(edited(POINT, [3], 1)))
    assert packs() == 1


def test_behind_the_points_end_a_larger_disk_becomes_zero() -> None:
    behind = noise(7, 3 * BLOCK) + bytes(SHARD) + noise(8, 100)
    case, disk = Case(), InPlace(POINT + behind)

    rewritten = case.rewrite(disk)

    assert disk.content == POINT.ljust(len(POINT + behind), b"\0")
    assert rewritten.written_bytes == disk.written_bytes == 3 * BLOCK + 100
    assert disk.read_bytes == len(POINT + behind)


def test_a_point_of_an_incremental_is_read_through_its_patches() -> None:
    case = Case()
    newer = edited(POINT, [0, 1, SHARD_BLOCKS + 3], 5)
    grant = case.bench.grant(2, len(POINT), newest=case.point, base=case.point)
    point = case.bench.write(grant, newer, changes(POINT, newer))
    disk = InPlace(noise(9, len(POINT)))

    case.rewrite(disk, point)

    assert disk.content == newer


def test_reading_back_counts_what_is_not_as_it_was_written() -> None:
    case, disk = Case(), InPlace(POINT)
    assert case.comparison(disk).differing_bytes() == 0

    disk.content[BLOCK] ^= 1
    disk.content[-1] ^= 1

    assert case.comparison(disk).differing_bytes() == BLOCK + 700
    assert disk.written == []


class Dying(InPlace):
    """A disk under which the machine is lost after so many writes."""

    def __init__(self, content: bytes, writes: int) -> None:
        super().__init__(content)
        self.left = writes

    @override
    def write_at(self, offset: int, data: Buffer) -> None:
        if not self.left:
            raise OSError("the machine is gone")
        self.left -= 1
        super().write_at(offset, data)


def test_begun_again_it_writes_only_what_is_missing() -> None:
    case, state = Case(), edited(POINT, [*range(20)], 1)
    dying = Dying(state, 7)
    with pytest.raises(OSError, match="gone"):
        case.rewrite(dying)

    after = InPlace(bytes(dying.content))
    case.rewrite(after)

    assert after.content == POINT
    assert (dying.written_bytes, after.written_bytes) == (7 * BLOCK, 13 * BLOCK)


def test_a_block_that_is_lost_ends_it_and_what_does_not_differ_is_not_asked_for() -> None:
    case = Case()
    for name in case.bench.store.names("p"):
        case.bench.store.delete(name)

    case.rewrite(InPlace(POINT))
    with pytest.raises(CorruptRepository, match="is needed and missing"):
        case.rewrite(InPlace(edited(POINT, [3], 1)))
