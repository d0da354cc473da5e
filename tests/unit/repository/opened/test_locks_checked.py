"""Check against what commits promise of locks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.unit.repository.opened.locking_bench import Bench, keep
from tests.unit.repository.opened.whole_bench import WholeBench, in_folder, some_disks
from vmbackup_core.stores.memory import MemoryStore


def findings(bench: Bench) -> list[tuple[str, str]]:
    """Return what a check finds of locks."""
    found = bench.opened().check(read_data=False).findings
    return [(each.object, each.found) for each in found if each.what == "lockShort"]


def test_check_finds_nothing_where_every_promise_is_kept() -> None:
    bench = Bench()
    bench.begun()
    for number, days in ((1, 14), (2, 90), (3, 14)):
        bench.keep = keep(days)
        bench.back_up(number, some_disks(number))

    assert bench.opened().check(read_data=False).findings == ()


@pytest.mark.parametrize("part", ["/p/", "/i/", "/m/", "/k/", "/x/", "v/"])
def test_check_names_a_point_with_an_object_that_is_locked_for_too_short(part: str) -> None:
    bench = Bench()
    bench.begun()
    point = bench.back_up(1, some_disks(1))
    stores = [store for store in bench.places.both() if isinstance(store, MemoryStore)]
    odd = next(
        (store, each.name) for store in stores for each in store.list("") if part in each.name
    )

    odd[0].free(odd[1])

    told = findings(bench)
    assert told
    assert all(f"{odd[1]} is not locked" in found for _, found in told)
    assert all(point.run_id in found for _, found in told)
    assert all("/k/" in name for name, _ in told)
    assert bench.opened().check(read_data=False).findings[0].points == ()


def test_check_asks_nothing_of_promises_that_have_ended() -> None:
    bench = Bench()
    bench.begun()
    point = bench.back_up(1, some_disks(1))
    for store in bench.places.both():
        assert isinstance(store, MemoryStore)
        for each in list(store.list("")):
            store.free(each.name)
    assert len(findings(bench)) == 2
    bench.clock.turn((bench.until(point) - bench.clock.now()).total_seconds() + 1)
    counted: Counter[str] = Counter()

    assert bench.seen_through(counted).opened().check(read_data=False).findings == ()
    assert counted == Counter()


def test_check_of_a_copy_in_a_directory_says_nothing_of_locks(tmp_path: Path) -> None:
    bench = Bench()
    bench.begun()
    bench.back_up(1, some_disks(1))
    copy = in_folder(tmp_path)
    for ours, theirs in zip(bench.places.both(), copy.both(), strict=True):
        for each in ours.list(""):
            theirs.put_new(each.name, ours.get(each.name))

    assert WholeBench(copy).opened().check(read_data=False).findings == ()
