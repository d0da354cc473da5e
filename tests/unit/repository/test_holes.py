"""A restore that goes on past damage brings all else, and tells of exactly what it left out."""

from __future__ import annotations

import pytest
from typing_extensions import override

from tests.unit.repository.bench import (
    BLOCK,
    SHARD,
    Bench,
    MemorySink,
    new_bench,
    noise,
)
from vmbackup_core.errors import CorruptRepository, TransientError, VmbackupError
from vmbackup_core.repository import DAMAGE, Hole, RecoveryPoint, joined, open_repository
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import ObjectUnreadable

CONTENT = noise(1, 9 * BLOCK) + bytes(20 * BLOCK) + noise(2, 9 * BLOCK + 77)


def filled() -> tuple[Bench, RecoveryPoint]:
    bench = new_bench()
    return bench, bench.record(1, bench.back_up(1, CONTENT), len(CONTENT))


FILLED, POINT = filled()
NAMES = [each.name for each in FILLED.store.list("c/")]
PACKS, INDEXES = FILLED.names("p"), FILLED.names("i")


class BadPlaces(MemoryStore):
    """A store that can't read some places of some objects, as a disk with bad sectors."""

    def __init__(self, bad: dict[str, range]) -> None:
        super().__init__()
        self.bad = bad
        self.reason = "ObjectUnreadable"

    @override
    def get(self, name: str, *, most: int | None = None) -> bytes:
        return self.get_range(name, 0, 1 << 40 if most is None else most)

    @override
    def get_range(self, name: str, offset: int, length: int) -> bytes:
        found = super().get(name)[offset : offset + length]
        asked = range(offset, offset + len(found))
        bad = self.bad.get(name, range(0))
        if bad and asked and max(bad[0], asked[0]) <= min(bad[-1], asked[-1]):
            raise ObjectUnreadable(f"reading {name}: Input/output error", reason=self.reason)
        return found


def reading(store: MemoryStore) -> Bench:
    """Return a bench over what FILLED holds, read by *store*."""
    for each in FILLED.store.list(""):
        if each.name not in [known.name for known in store.list("")]:
            store.put_new(each.name, FILLED.store.get(each.name))
    return Bench(store, FILLED.key, open_repository(store, FILLED.key))


def restored(bench: Bench, threads: int = 1) -> tuple[bytes, list[Hole]]:
    sink = MemorySink(len(CONTENT))
    holes: list[Hole] = []
    bench.repository.restore_disk(
        POINT, POINT.disks[0], sink, threads=threads, on_hole=holes.append
    )
    return bytes(sink.content), joined(holes)


def with_holes(holes: list[Hole]) -> bytes:
    content = bytearray(CONTENT)
    for hole in holes:
        assert 0 <= hole.offset < hole.offset + hole.length <= len(CONTENT)
        content[hole.offset : hole.offset + hole.length] = bytes(hole.length)
    return bytes(content)


@pytest.mark.parametrize("threads", [1, 4])
def test_an_undamaged_disk_has_no_hole(threads: int) -> None:
    assert restored(reading(MemoryStore()), threads) == (CONTENT, [])


@pytest.mark.parametrize("how", ["missing", "cut", "flipped", "unreadable"])
@pytest.mark.parametrize("number", range(len(NAMES)))
def test_whatever_is_damaged_the_rest_is_there_or_nothing_can_be_had(number: int, how: str) -> None:
    name = NAMES[number]
    store = BadPlaces({name: range(1 << 30)} if how == "unreadable" else {})
    content = FILLED.store.get(name)
    if how == "cut":
        store.put_new(name, content[: len(content) // 2])
    if how == "flipped":
        middle = len(content) // 2
        store.put_new(name, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    bench = reading(store)
    if how == "missing":
        store.delete(name)

    if name in PACKS + INDEXES:
        found, holes = restored(bench)
        assert holes
        assert found == with_holes(holes)
        assert all(name.rpartition("/")[2] in hole.why for hole in holes)
        with pytest.raises(DAMAGE):
            bench.restored(POINT)
    else:
        with pytest.raises(DAMAGE):
            restored(bench)


def test_a_flipped_bit_costs_one_block() -> None:
    pack = FILLED.store.get(PACKS[0])
    store = MemoryStore()
    store.put_new(PACKS[0], pack[:100] + bytes([pack[100] ^ 1]) + pack[101:])

    _, holes = restored(reading(store))

    assert [(hole.offset, hole.length) for hole in holes] == [(0, BLOCK)]


def test_a_bad_place_in_a_pack_costs_the_blocks_that_it_lies_in() -> None:
    _, holes = restored(reading(BadPlaces({PACKS[0]: range(BLOCK, BLOCK + 200)})))

    assert [(hole.offset, hole.length) for hole in holes] == [(0, 2 * BLOCK)]


def test_a_pack_in_the_archive_tier_is_asked_for_once_a_run() -> None:
    store = BadPlaces({PACKS[0]: range(1 << 30)})
    store.reason = "BlobArchived"
    bench = reading(store)

    _, holes = restored(bench)

    assert sum(hole.length for hole in holes) >= 4 * BLOCK
    assert all("Input/output" in hole.why for hole in holes)


def test_a_lost_index_costs_its_shard() -> None:
    bench = reading(MemoryStore())
    bench.store.delete(INDEXES[0])

    _, (hole,) = restored(bench)

    assert (hole.offset, hole.length) == (0, SHARD)


def test_the_networks_failure_is_no_hole() -> None:
    class Away(MemoryStore):
        @override
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            raise TransientError(f"reading {name}: ConnectionError")

    with pytest.raises(TransientError):
        restored(reading(Away()), threads=4)


def test_the_targets_failure_is_no_hole() -> None:
    class Full(MemorySink):
        @override
        def write_at(self, offset: int, data: object) -> None:
            raise CorruptRepository("stands for whatever a target can raise")

    bench = reading(MemoryStore())
    told: list[Hole] = []
    with pytest.raises(VmbackupError):
        bench.repository.restore_disk(
            POINT, POINT.disks[0], Full(len(CONTENT)), threads=1, on_hole=told.append
        )

    assert told == []


def test_holes_that_touch_and_have_one_reason_are_one() -> None:
    holes = [Hole(8, 4, "a"), Hole(0, 4, "a"), Hole(4, 4, "a"), Hole(12, 4, "b"), Hole(20, 4, "b")]

    assert joined(holes) == [Hole(0, 12, "a"), Hole(12, 4, "b"), Hole(20, 4, "b")]
