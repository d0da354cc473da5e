"""What counts is locked until its retention's end, in generations, wherever a crash comes."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tests.sampling import some_of
from tests.unit.repository.control.log_bench import MOMENT
from tests.unit.repository.opened.locking_bench import GENERATION, Bench, keep
from tests.unit.repository.opened.whole_bench import (
    VM_ID,
    WholeBench,
    finish_all,
    in_folder,
    run_of,
    some_disks,
)
from tests.unit.repository.stores_that_fail import Killed
from tests.unit.repository.turns import TurnStore
from vmbackup_core.repository.control.commits.locking import Keep, end_of_generation
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Buffer, LocksNotKept, Store

#: More writes than a backup makes.
MANY = 10_000
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2500, 1, 1)).map(  # noqa: DTZ001 - made UTC
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(moment=MOMENTS, days=st.integers(1, 365))
def test_a_generation_ends_at_a_multiple_that_is_not_before(moment: datetime, days: int) -> None:
    end = end_of_generation(moment, days)

    assert moment <= end < moment + timedelta(days=days)
    assert (end - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(days=days) == timedelta()


def test_a_retention_that_has_ended_is_locked_to_the_end_of_this_generation() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)

    assert Keep(now - timedelta(days=400), 10).locked_until(now) == end_of_generation(now, 10)


def test_all_that_a_point_needs_is_locked_and_holds_are_not() -> None:
    bench = Bench()
    bench.begun()

    point = bench.back_up(1, some_disks(1))

    assert bench.until(point) == end_of_generation(MOMENT + timedelta(days=14), GENERATION)
    assert bench.short(bench.until(point)) == []


def test_without_a_generation_nothing_is_locked() -> None:
    bench = Bench(keep=None)
    bench.begun()

    point = bench.back_up(1, some_disks(1))

    assert {commit.locked_until for commit in bench.commits(point)} == {None}
    assert all(lock.until is None for store in bench.places.both() for lock in store.locks(""))


def test_within_a_generation_only_what_is_new_is_locked() -> None:
    bench = Bench()
    bench.begun()
    bench.back_up(1, some_disks(1))
    counted: Counter[str] = Counter()

    point = bench.seen_through(counted).back_up(2, some_disks(1))

    # For each of two disks manifest, index object, list and commit; the point, its commits again,
    # and one log object. No pack: the second backup stores none.
    assert counted["packs"] == 0
    assert counted["locks"] <= 2 * 4 + 1 + 3 + 1
    assert counted["listings"] <= 2 * 2 + 6
    assert bench.short(bench.until(point)) == []


@pytest.mark.at_length
def test_each_pack_is_extended_once_in_a_generation() -> None:
    bench = Bench()
    bench.begun()
    bench.back_up(1, some_disks(1))
    packs = sum("/p/" in each.name for each in bench.places.data.list("c/"))
    extended = []

    for day in range(1, 3 * GENERATION):
        counted: Counter[str] = Counter()
        bench.clock.turn(24 * 3600)
        bench.keep = keep(14 + day)
        bench.seen_through(counted).back_up(1 + day, some_disks(1))
        extended.append(counted["packs"])

    assert sum(extended) == 3 * packs
    assert sorted(extended)[-4:] == [0, packs, packs, packs]


def test_a_shorter_retention_shortens_no_lock() -> None:
    bench = Bench(keep=keep(300))
    bench.begun()
    long = bench.until(bench.back_up(1, some_disks(1)))
    bench.keep = keep(1)

    point = bench.back_up(2, some_disks(1))

    assert bench.until(point) < long
    packs = [lock for lock in bench.places.data.locks("c/") if "/p/" in lock.name]
    assert {lock.until for lock in packs} == {long}


def test_what_a_longer_one_has_locked_already_is_not_locked_again() -> None:
    bench = Bench(keep=keep(300))
    bench.begun()
    bench.back_up(1, some_disks(1))
    for number, days in ((2, 14), (3, 60)):
        bench.keep = keep(days)
        counted: Counter[str] = Counter()
        point = bench.seen_through(counted).back_up(number, some_disks(1))

        assert counted["packs"] == 0
        assert not [name for name in bench.short(bench.until(point)) if "/p/" in name]


def test_a_repository_that_begins_to_lock_locks_what_the_next_commit_needs() -> None:
    bench = Bench(keep=None)
    bench.begun()
    bench.back_up(1, some_disks(1))
    bench.keep = keep(14)

    point = bench.back_up(2, some_disks(1))

    needed = [name for name in bench.short(bench.until(point)) if "/m/" not in name]
    # What the first point alone needs, which nobody promised to lock.
    assert all("/i/" in name or name.startswith("v/") or "/x/" in name for name in needed)


class DyingAt(TurnStore):
    """Applies its caller's *last*-th put or lock, or not, and nothing more of any kind."""

    def __init__(self, inner: Store, left: list[int], *, applied: bool) -> None:
        super().__init__(inner, lambda: None)
        self._left = left
        self._applied = applied

    def _reached(self) -> bool:
        """Count a write; tell whether it is the last. What comes behind it is never done."""
        self._left[0] -= 1
        if self._left[0] < 0 or (self._left[0] == 0 and not self._applied):
            raise Killed
        return self._left[0] == 0

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        last = self._reached()
        super().put_new(name, data)
        if last:
            raise Killed

    @override
    def lock_until(self, name: str, moment: datetime) -> None:
        last = self._reached()
        super().lock_until(name, moment)
        if last:
            raise Killed


@pytest.mark.parametrize("applied", [False, True], ids=["not done", "done"])
def test_a_crash_at_any_write_leaves_locks_that_the_next_try_completes(*, applied: bool) -> None:
    writes = _writes_before_death(_before_the_second(), MANY, applied=applied)
    assert 20 < writes < MANY

    disks = some_disks(1)
    for last in some_of(range(1, writes + 2)):
        bench = _before_the_second()
        assert _writes_before_death(bench, last, applied=applied) == min(last, writes)
        _no_commit_promises_too_much(bench)

        point = bench.back_up(2, disks)

        assert bench.restored(point) == []
        needed = {disk.manifest_name for disk in point.disks}
        short = bench.short(bench.until(point))
        assert not needed & set(short)
        assert not any("/p/" in name or name.startswith(("header", "w/")) for name in short)
        assert not [name for name in short if name.startswith("v/") and point.run_id in name]


def _before_the_second() -> Bench:
    """Return a repository with one backup, whose locks end before what a second will need."""
    bench = Bench()
    bench.begun()
    bench.back_up(1, some_disks(1))
    bench.clock.turn(40 * 24 * 3600)
    bench.keep = keep(60)
    return bench


def _writes_before_death(bench: Bench, last: int, *, applied: bool) -> int:
    """Back up and die at that write; return how many writes there were, that one included."""
    dying, left = replace(bench, disks=bench.disks), [last]
    inner = bench.places
    dying.places = Places(
        DyingAt(inner.data, left, applied=applied), DyingAt(inner.control, left, applied=applied)
    )
    with suppress(Killed):
        dying.back_up(2, some_disks(1))
    return last - max(0, left[0])


def _no_commit_promises_too_much(bench: Bench) -> None:
    """What a commit that is there needs is locked for as long as it says, whatever came then."""
    for entry in bench.opened().counted(VM_ID):
        (point,) = bench.opened().points(entries=[entry])
        until = bench.until(point.point)
        locks = {lock.name: lock.until for lock in bench.places.data.locks("c/")}
        for disk in point.point.disks:
            found = locks[disk.manifest_name]
            assert found is not None
            assert found >= until


def test_what_is_locked_outlives_its_points_expiry_and_goes_then() -> None:
    bench = Bench(keep=keep(1))
    bench.begun()
    for number in (1, 2):
        point = bench.back_up(number, some_disks(number))
    repository = bench.opened()
    entry = next(each for each in repository.counted() if each.run == run_of(1))
    repository.upkeep.begin_expire([entry_of(entry)])

    stays = finish_all(repository.upkeep)
    bench.clock.turn((bench.until(point) - bench.clock.now()).total_seconds() + 1)
    gone = finish_all(bench.opened().upkeep)

    assert [each.outcome for each in stays] == ["stays"]
    assert "BlobImmutableDueToPolicy" in stays[0].why
    assert [each.outcome for each in gone] == ["done"]


def test_a_directory_refuses_before_anything_is_committed(tmp_path: Path) -> None:
    bench = WholeBench(in_folder(tmp_path), keep=keep(14))
    bench.begun()

    with pytest.raises(LocksNotKept, match="keeps no locks"):
        bench.commit_only(1, "os", some_disks(1)["os"])

    assert [each.name for each in bench.places.control.list("c/") if "/k/" in each.name] == []
    with pytest.raises(LocksNotKept):
        bench.opened().lock_frame(GENERATION)


def test_the_frame_is_locked_before_the_first_backup() -> None:
    bench = Bench()

    bench.begun().lock_frame(GENERATION)

    assert bench.short(end_of_generation(bench.clock.now(), GENERATION)) == []


def test_who_overwrites_and_deletes_everything_leaves_every_locked_version() -> None:
    bench = Bench()
    bench.begun()
    point = bench.back_up(1, some_disks(1))
    before = [
        {each.name: store.get(each.name) for each in store.list("")}
        for store in bench.places.both()
    ]

    for store, known in zip(bench.places.both(), before, strict=True):
        assert isinstance(store, MemoryStore)
        names = list(known)
        kept = [
            each.name
            for at in range(0, len(names), 256)
            for each in store.delete_all(names[at : at + 256])
        ]
        assert kept == names
        for name in names:
            store.overwrite(name, b"ransom")
            store.delete(name)

    brought_back = [MemoryStore(), MemoryStore()]
    for store, copy, known in zip(bench.places.both(), brought_back, before, strict=True):
        for name in known:
            copy.put_new(name, next(store.versions(name, most=2**30)))
    control, data = brought_back
    left = replace(WholeBench(Places(data, control)), disks=bench.disks)
    assert left.restored(point) == []
    found = left.opened().check(read_data=True).findings
    assert {each.what for each in found} == {"lockShort"}  # what was brought back is not locked
