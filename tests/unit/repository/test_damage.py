"""One flipped bit anywhere is found and named, and nothing damaged is ever restored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tests.unit.repository.bench import BLOCK, SHARD, Bench, copy_of, new_bench, noise
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository import (
    NotInitialised,
    RecoveryPoint,
    UnsupportedFormat,
    open_repository,
)
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import NotStored

TEXT = b"".join(b"line %d of a log that compresses well\n" % n for n in range(2000))
CONTENT = noise(1, 6 * BLOCK) + bytes(4 * BLOCK) + TEXT + noise(2, SHARD)

KINDS = {
    "pack": "/p/",
    "index": "/i/",
    "manifest": "/m/",
    "commit": "/k/",
    "chain header": "/chain",
    "recovery point": "r/",
    "header": "header",
}


def filled() -> tuple[Bench, RecoveryPoint]:
    bench = new_bench()
    bench.record(1, bench.back_up(1, noise(1, 6 * BLOCK)), 6 * BLOCK)
    return bench, bench.record(2, bench.back_up(2, CONTENT), len(CONTENT))


FILLED, POINT = filled()
NAMES = sorted(
    (each.name for each in FILLED.store.list("")),
    key=lambda name: next((kind for kind, part in KINDS.items() if part in name), name),
)


def numbered(names: list[str]) -> list[str]:
    """Return ids that are the same in every process: names hold the chain's and session's."""
    return [f"object {number}" for number in range(len(names))]


PACKS = [name for name in NAMES if KINDS["pack"] in name]
OTHERS = [name for name in NAMES if KINDS["recovery point"] not in name]


def damaged(name: str, change: bytes | None) -> Bench:
    """Return a copy of the repository with other bytes, or none, under *name*."""
    store = copy_of(FILLED.store)
    store.delete(name)
    if change is not None:
        store.put_new(name, change)
    return Bench(store, FILLED.key, FILLED.repository)


def flipped(name: str, bit: int) -> bytes:
    content = bytearray(FILLED.store.get(name))
    content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def faults(bench: Bench, *, read_data: bool) -> dict[str, str]:
    """Return what a check finds, or the refusal to open, by the object's name."""
    try:
        repository = open_repository(bench.store, bench.key)
    except (CorruptRepository, UnsupportedFormat) as error:
        return {str(error).partition(":")[0]: str(error)}
    report = repository.check(read_data=read_data)
    return {finding.object: finding.found for finding in report.findings}


def test_an_undamaged_repository_has_no_findings() -> None:
    assert faults(damaged(NAMES[0], FILLED.store.get(NAMES[0])), read_data=True) == {}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_one_flipped_bit_is_found_and_its_object_named(kind: str, data: st.DataObject) -> None:
    names = [name for name in NAMES if KINDS[kind] in name]
    name = data.draw(st.sampled_from(names))
    bit = data.draw(st.integers(0, 8 * len(FILLED.store.get(name)) - 1))

    assert name in faults(damaged(name, flipped(name, bit)), read_data=True)


@given(data=st.data())
def test_one_flipped_bit_never_restores_other_bytes(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([name for name in NAMES if name != "header"]))
    bit = data.draw(st.integers(0, 8 * len(FILLED.store.get(name)) - 1))
    broken = damaged(name, flipped(name, bit))
    repository = open_repository(broken.store, broken.key)
    bench = Bench(broken.store, broken.key, repository)

    try:
        restored = bench.restored(POINT)
    except (CorruptRepository, UnsupportedFormat):
        return
    assert restored == CONTENT  # the bit was in something that this point does not need


@pytest.mark.parametrize("name", OTHERS, ids=numbered(OTHERS))
def test_a_missing_object_is_named(name: str) -> None:
    broken = damaged(name, None)

    if name == "header":
        with pytest.raises(NotInitialised):
            open_repository(broken.store, broken.key)
        return
    assert name in faults(broken, read_data=False)


@pytest.mark.parametrize("name", PACKS, ids=numbered(PACKS))
@pytest.mark.parametrize("kept", [0, 11, 70, 300, -1])
def test_a_pack_that_was_cut_is_named_without_reading_data(name: str, kept: int) -> None:
    cut = FILLED.store.get(name)[:kept]

    assert name in faults(damaged(name, cut), read_data=False)
    assert name in faults(damaged(name, cut), read_data=True)


def test_an_object_in_anothers_place_does_not_verify() -> None:
    first, second = (name for name in NAMES if KINDS["commit"] in name)
    broken = damaged(first, FILLED.store.get(second))

    assert first in faults(broken, read_data=False)


def test_an_object_of_another_repository_with_the_same_key_does_not_verify() -> None:
    other, _ = filled()
    theirs = next(each.name for each in other.store.list("c/") if "/k/" in each.name)
    chain = FILLED.chain()
    broken = damaged(chain.full_name("k/00000001"), other.store.get(theirs))

    assert chain.full_name("k/00000001") in faults(broken, read_data=False)


def test_a_check_without_data_does_not_read_packs() -> None:
    class NoPacks(MemoryStore):
        @override
        def get(self, name: str, *, most: int | None = None) -> bytes:
            assert "/p/" not in name
            return super().get(name, most=most)

        @override
        def get_range(self, name: str, offset: int, length: int) -> bytes:
            raise AssertionError(name, offset, length)

    store = NoPacks()
    for name in NAMES:
        store.put_new(name, FILLED.store.get(name))

    assert open_repository(store, FILLED.key).check(read_data=False).good


def test_a_check_says_how_much_it_looked_at() -> None:
    report = FILLED.repository.check(read_data=True)

    packs = [each for each in FILLED.store.list("c/") if "/p/" in each.name]
    assert (report.points, report.chains, report.commits) == (2, 1, 2)
    assert (report.packs, report.unreferenced_packs) == (len(packs), 0)
    assert report.read_bytes == sum(each.size_bytes for each in packs)


def test_restoring_a_point_whose_commit_is_missing_names_it() -> None:
    chain = FILLED.chain()
    broken = damaged(chain.full_name("k/00000002"), None)
    bench = Bench(broken.store, broken.key, open_repository(broken.store, broken.key))

    with pytest.raises(NotStored, match="k/00000002 is not stored"):
        bench.restored(POINT)
    assert bench.repository.find_point(RunId("f" * 32)) is None
