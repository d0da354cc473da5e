"""What the bench says of an archive follows from what its worker and the operator asked for."""

from __future__ import annotations

from tools.bench.archiving import (
    MIB,
    TIB,
    CountingStore,
    for_a_disk,
    per_tib,
    requests_of,
)


def test_a_tib_more_asks_for_what_the_larger_size_asked_for_beyond_the_smaller() -> None:
    assert per_tib({"reads": 10, "others": 2}, {"reads": 34, "others": 2}, TIB // 4) == {
        "reads": 96,
        "others": 0,
    }


def test_what_does_not_grow_is_told_for_a_disk() -> None:
    small, large = {"reads": 10, "others": 2}, {"reads": 34, "others": 2}

    assert for_a_disk(small, large, 100, 400) == {"reads": 2, "others": 2}


def test_each_way_of_asking_is_counted_once_with_its_bytes() -> None:
    store = CountingStore()
    store.put_new("c/1/p/1", bytes(100))
    store.put_new("c/1/i/1", bytes(7))
    store.get("c/1/p/1")
    store.get_range("c/1/p/1", 90, 50)
    store.get_end("c/1/i/1", 5, size=7)

    assert store.counts == {
        "put_packs": 1, "put_packs_bytes": 100, "put_others": 1, "put_others_bytes": 7,
        "get_packs": 2, "get_packs_bytes": 110, "get_others": 1, "get_others_bytes": 5,
    }  # fmt: skip


def test_the_end_of_an_object_whose_size_is_not_known_takes_two_requests() -> None:
    store = CountingStore()
    store.put_new("c/1/i/1", bytes(7))
    store.get_end("c/1/i/1", 5)

    assert store.counts["get_others"] == 2


def test_an_archive_reads_a_disk_once_stores_it_once_and_reads_that_back() -> None:
    held = 8 * MIB
    found = requests_of(held)

    assert found["packs_put"] >= 1
    assert found["packs_put_away"] == found["packs_put"]
    for way in ("bytes_of_backup", "pack_bytes_put", "bytes_back"):
        assert held <= found[way] < held * 1.01, way
    assert found["reads_of_backup"] >= held // (4 * MIB)
    assert found["asked_by_operator"] > 0
