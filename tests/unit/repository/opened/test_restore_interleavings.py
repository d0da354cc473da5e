"""A restore beside expire, at every call to a store; and that without S15 or S16 it is lost."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cache, partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tests.sampling import some_of
from tests.unit.repository.control.repository_bench import OldSights
from tests.unit.repository.data.bench import Target, noise, silent
from tests.unit.repository.opened.whole_bench import VM_ID, WholeBench, finish_all, holder
from tests.unit.repository.opened.worker_restores import restored_by
from tests.unit.repository.stores_that_fail import ReadOnlyStore
from tests.unit.repository.turns import Stopped, TurnStore, calls_of, interleave
from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_reader import Reading
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.restore.restoring import PointGone, held, restore_disk
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.control.retention.sights import Sights
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.opened_restore import Restores
from vmbackup_core.repository.primitives.names import HOLDS
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.port import Store, StoredObject

Work = Callable[[Places], object]
Restore = Callable[..., str]
#: Who holds what a worker restores.
RUN = RunId(holder().id)


class ReadsFirst(Log):
    """Believes what the log said before the holds were put (S15 removed from restore)."""

    _first: Reading | None = None

    @override
    def read(self) -> Reading:
        self._first = self._first or super().read()
        return self._first


class HoldsFirst(TurnStore):
    """Shows the holds as they were before the log was read (S15 removed from expire)."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner, lambda: None)
        self._first = list(inner.list(HOLDS))

    @override
    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        if prefix.startswith(HOLDS):
            return iter([each for each in self._first if each.name.startswith(prefix)][:limit])
        return super().list(prefix, limit=limit)


class NewSights(Sights):
    """Nothing has been seen before (S16 is kept)."""

    @override
    def age(self, number: int | None) -> timedelta:
        return timedelta()


@cache
def built() -> tuple[WholeBench, RecoveryPoint]:
    bench = WholeBench()
    bench.begun()
    point = bench.back_up(1, {"os": noise(1, 4 * 4096)})
    bench.back_up(2, {"os": noise(2, 4 * 4096)})
    return bench, point


def two_points() -> tuple[WholeBench, RecoveryPoint]:
    """A repository of two points, of which the first one is to be restored and to expire."""
    bench, point = built()
    return bench.copied(), point


def restoring(
    bench: WholeBench,
    point: RecoveryPoint,
    places: Places,
    kind: type[Log] = Log,
    on_held: Callable[[], None] = lambda: None,
) -> str:
    """Restore the point's disk, and return what happened; *on_held* is told before it is read."""
    opened = bench.opened(places, appliance=None).log
    log = kind(opened.control, opened.heads, opened.author, opened.clock)
    log.reader.side_by_side = 1
    if kind is ReadsFirst:
        log.read()
    (disk,) = point.disks
    sink = Target(disk.size_bytes)
    try:
        with held(log, point, holder(), lambda _said: None) as there:
            on_held()
            restore_disk(
                Control(places.control, opened.control.ring),
                places.data,
                there,
                disk,
                sink,
                threads=1,
                progress=silent,
                say=lambda _said: None,
            )
    except PointGone:
        return "refused"
    except CorruptRepository:
        return "lost"
    is_right = bytes(sink.content) == bench.disks[point.run_id, disk.name]
    return "restored" if is_right else "lost"


def planned(
    bench: WholeBench,
    point: RecoveryPoint,
    places: Places,
    kind: type[Log] = Log,
    on_held: Callable[[], None] = lambda: None,
) -> str:
    """Do as `restoring` does, by what a worker is given."""
    repository = bench.opened(places, appliance=None)
    work, log = repository.work, repository.log
    work.log = kind(log.control, log.heads, log.author, log.clock)
    work.log.reader.side_by_side = 1
    restores = Restores(work)
    try:
        (disk,) = restores.plan(VM_ID, point.run_id, RUN).disks
        on_held()
        content = restored_by(disk, places.data)
    except PointGone:
        return "refused"
    except CorruptRepository:
        return "lost"
    finally:
        restores.let_go(RUN)
    return "restored" if content == bench.disks[point.run_id, disk.disk.name] else "lost"


def expiring(
    bench: WholeBench, point: RecoveryPoint, places: Places, sights: Sights | None = None
) -> None:
    """Let the point go, from the first step to the last, without the day between them."""
    repository = bench.opened(places)
    (entry,) = (each for each in repository.counted() if each.run == point.run_id)
    repository.upkeep.begin_expire([entry_of(entry)])
    finish_all(repository.upkeep, sights)


def holding_first(bench: WholeBench, point: RecoveryPoint, places: Places) -> None:
    """Expire with the holds looked at before the log."""
    expiring(bench, point, Places(places.data, HoldsFirst(places.control)))


def run_both(restore: Work, expire: Work, bench: WholeBench, order: Sequence[int]) -> str:
    left = iter(order)
    outcomes = interleave(bench.places, [restore, expire], lambda _count: next(left, 0))
    assert outcomes[1] is None, outcomes[1]
    assert isinstance(outcomes[0], str), outcomes[0]
    return outcomes[0]


def outcomes_of(
    restore: Restore, kind: type[Log], expire: Callable[..., None]
) -> builtins.list[str]:
    """Return what came of a restore that expire overtakes at each of its calls."""
    found = []
    for cut in range(calls_of_restore(restore)):
        bench, point = two_points()
        works = (partial(restore, bench, point, kind=kind), partial(expire, bench, point))
        found.append(run_both(*works, bench, [0] * cut + [1] * 200))
    return found


def overtaking_outcomes_of(restore: Restore, expire: Callable[..., None]) -> builtins.list[str]:
    """Return what came of a restore that holds, overtaking expire at each of its calls.

    Expire goes on from there to its end before any of the disk is read.
    """
    return [overtaking_outcome_of(restore, expire, cut) for cut in range(calls_of_expire())]


def overtaking_outcome_of(restore: Restore, expire: Callable[..., None], cut: int) -> str:
    bench, point = two_points()
    held_by_now: list[str] = []
    work = partial(restore, bench, point, on_held=partial(held_by_now.append, "held"))
    calls_made = itertools.count()

    def choose(_going: int) -> int:
        return 1 if next(calls_made) < cut or held_by_now else 0

    outcome, ended = interleave(bench.places, [work, partial(expire, bench, point)], choose)
    assert ended is None, ended
    assert isinstance(outcome, str), outcome
    return outcome


@cache
def calls_of_expire() -> int:
    """Return how many calls an expire takes that nobody is beside."""
    bench, point = two_points()
    return calls_of(bench.places, partial(expiring, bench, point))


@cache
def calls_of_restore(restore: Restore) -> int:
    bench, point = two_points()
    return calls_of(bench.places, partial(restore, bench, point))


#: Here, and by a worker that is given what the operator plans.
BOTH_WAYS = pytest.mark.parametrize("restore", [restoring, planned], ids=["here", "by a worker"])


@BOTH_WAYS
def test_a_restore_that_expire_overtakes_anywhere_has_all_or_is_refused(restore: Restore) -> None:
    outcomes = outcomes_of(restore, Log, expiring)

    assert set(outcomes) == {"refused", "restored"}


@BOTH_WAYS
def test_a_restore_that_looks_at_the_log_before_it_holds_is_lost(restore: Restore) -> None:
    assert "lost" in outcomes_of(restore, ReadsFirst, expiring)


@BOTH_WAYS
def test_an_expire_that_is_overtaken_anywhere_takes_nothing_from_a_restore(
    restore: Restore,
) -> None:
    assert set(overtaking_outcomes_of(restore, expiring)) == {"refused", "restored"}


@BOTH_WAYS
def test_an_expire_that_looks_for_holds_before_the_log_takes_what_is_restored(
    restore: Restore,
) -> None:
    assert "lost" in overtaking_outcomes_of(restore, holding_first)


@BOTH_WAYS
@given(picks=st.lists(st.integers(0, 1), max_size=200))
def test_in_any_order_a_restore_has_all_or_is_refused(restore: Restore, picks: list[int]) -> None:
    bench, point = two_points()
    works = (partial(restore, bench, point), partial(expiring, bench, point))

    assert run_both(*works, bench, picks) in {"refused", "restored"}


@pytest.mark.parametrize(
    ("sights", "outcome"), [(NewSights(), "restored"), (OldSights(), "lost")], ids=["S16", "none"]
)
def test_who_may_not_hold_has_a_day(sights: Sights, outcome: str) -> None:
    bench, point = two_points()
    reader = Places(ReadOnlyStore(bench.places.data), ReadOnlyStore(bench.places.control))
    repository = bench.opened(reader, appliance=None)
    said: list[str] = []
    (disk,) = point.disks
    sink = Target(disk.size_bytes)

    with repository.held(point, holder(), said.append) as there:
        expiring(bench, point, bench.places, sights)
        try:
            repository.restore_disk(there, disk, sink, threads=1)
        except CorruptRepository:
            assert outcome == "lost"
        else:
            assert outcome == "restored"
            assert bytes(sink.content) == bench.disks[point.run_id, disk.name]

    assert len(said) == 1
    assert "a day later" in said[0]


def next_or_first(left: Iterator[int], _going: int) -> int:
    return next(left, 0)


@BOTH_WAYS
def test_a_restore_that_was_stopped_anywhere_holds_until_its_holder_comes_back(
    restore: Restore,
) -> None:
    for cut in some_of(range(calls_of_restore(restore))):
        bench, point = two_points()
        left = iter([0] * cut + [-1])
        work = partial(restore, bench, point)
        (outcome,) = interleave(bench.places, [work], partial(next_or_first, left))

        assert isinstance(outcome, Stopped)
        expiring(bench, point, bench.places)
        is_held = bool(bench.opened().holds())
        assert restore(bench, point, bench.places) == "refused"
        assert bench.opened().holds() == []
        if is_held:
            (going,) = finish_all(bench.opened().upkeep)
            assert going.outcome == "done"
