"""Verify beside each other operation, at every call to a store: V with B, R, X, P, H and V."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from tests.sampling import some_of
from tests.unit.repository.data.bench import PARAMETERS, noise
from tests.unit.repository.opened.whole_bench import VM_ID, finish_all, run_of
from tests.unit.repository.turns import TurnStore, calls_of, interleave
from tests.unit.repository.verify.verify_bench import (
    BLOCK,
    VerifyBench,
    answered,
    asking,
    job_of,
    verify_run,
)
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.control.repair.bad_packs import log_bad, told_by
from vmbackup_core.repository.control.repair.repairing import Elsewhere, heal, plan_repair
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan
from vmbackup_core.repository.control.verify.verify_work import VerifyAsked, VerifyTold, VerifyWork
from vmbackup_core.repository.data.verify_told import ToldPack
from vmbackup_core.repository.primitives.names import HOLDS
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.port import Buffer, NotStored, Store

Work = Callable[[Places], object]
DISK = noise(1, 6 * BLOCK)
OTHER = noise(2, 6 * BLOCK)


class NoHolds(TurnStore):
    """Takes every hold and keeps none (S15 removed from verify)."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner, lambda: None)

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if not name.startswith(HOLDS):
            super().put_new(name, data)


@cache
def built() -> tuple[VerifyBench, RecoveryPoint]:
    bench = VerifyBench()
    bench.begun()
    point = bench.back_up(1, {"os": DISK})
    bench.back_up(2, {"os": OTHER})
    return bench, point


def two_points() -> tuple[VerifyBench, RecoveryPoint]:
    """A repository of two points, of which nothing has been verified; the first may expire."""
    bench, point = built()
    return bench.copied(), point


def honest(places: Places, work: VerifyWork) -> VerifyTold:
    job = msgspec.structs.replace(job_of(work, verify_run()), threads=1)
    return answered(job, places.data).told()


def verifying(bench: VerifyBench, places: Places, asked: VerifyAsked | None = None) -> list[str]:
    """Have a session read everything, and return what it says; twice what is old."""
    asked, says = asked or asking(rota_share=1.0), list[str]()
    verification = bench.verification(places)
    for _ in range(100):
        work = verification.plan(VM_ID, asked)
        if work is None:
            verification.let_go(asked.run)
            return says
        told = honest(places, work) if work.is_for_worker else None
        judged = verification.judge(work, told)
        says += judged.says
        asked = replace(asked, cursor=judged.cursor)
    raise AssertionError("a session without end")


def backing_up(bench: VerifyBench, places: Places) -> object:
    """Back the disk up once more, changed."""
    other = VerifyBench(places, key=bench.key, disks=bench.disks)
    return other.back_up(3, {"os": OTHER[:BLOCK] + DISK[BLOCK:]})


def retrying(bench: VerifyBench, places: Places) -> object:
    """Write for a slot and commit nothing; then the run comes again."""
    other = VerifyBench(places, key=bench.key, disks=bench.disks)
    content = OTHER[:BLOCK] + DISK[BLOCK:]
    repository = other.opened()
    prepared = repository.prepare_disk(other.asked(3, "os", content), PARAMETERS)
    other.write(prepared, content)
    return other.back_up(3, {"os": content})


def expiring(bench: VerifyBench, point: RecoveryPoint, places: Places) -> None:
    """Let the point go without the day between, and prune what it alone needed, twice."""
    repository = bench.opened(places)
    (entry,) = (each for each in repository.counted() if each.run == point.run_id)
    repository.upkeep.begin_expire([entry_of(entry)])
    for _ in range(2):
        finish_all(repository.upkeep)
        for plan in repository.upkeep.plan_prune():
            assert isinstance(plan, PrunePlan), plan
            repository.upkeep.prune(plan, lambda: None)


def healing(bench: VerifyBench, places: Places) -> None:
    """Check, log what is bad, and heal it from what the disk was."""
    repository = bench.opened(places)
    report = repository.check(read_data=True)
    log, data = repository.log, places.data
    log_bad(log, data, told_by(report.findings))
    (chain,) = {chain for chain, _ in repository.reading().state.counted_places}
    blocks = [DISK[at : at + BLOCK] for at in range(0, len(DISK), BLOCK)]
    plan = plan_repair(log, data, chain, Elsewhere(contents=blocks))
    assert plan is not None
    heal(log, data, plan, run_of(77))


def cuts(work: Callable[[VerifyBench, Places], object], most: int = 8) -> list[int]:
    """Return places all over the calls to the stores that *work* makes of its own."""
    bench, _ = two_points()
    calls = calls_of(bench.places, partial(work, bench))
    return some_of(range(0, calls, max(1, calls // most)))


def run_both(bench: VerifyBench, one: Work, other: Work, order: Sequence[int]) -> list[str]:
    """Run both in this order, and return what verify, the first, says."""
    left = iter(order)
    outcomes = interleave(bench.places, [one, other], lambda _going: next(left, 0))
    for outcome in outcomes:
        assert not isinstance(outcome, BaseException), outcome
    assert isinstance(outcomes[0], list)
    return outcomes[0]


BESIDE = {"B": backing_up, "R": retrying, "V": verifying}


@pytest.mark.parametrize("other", BESIDE.values(), ids=BESIDE)
def test_what_is_well_stays_well_whoever_comes_between(
    other: Callable[[VerifyBench, Places], object],
) -> None:
    for cut in cuts(verifying):
        bench, _ = two_points()
        works = partial(verifying, bench), partial(other, bench)

        assert run_both(bench, *works, [0] * cut + [1] * 500) == []
        assert bench.bad() == []
        for opened in bench.opened().points():
            assert bench.restored(opened.point) == []


def test_what_expires_and_is_pruned_between_is_not_called_bad() -> None:
    outcomes = set()
    for cut in cuts(verifying, 16):
        bench, point = two_points()
        works = partial(verifying, bench), partial(expiring, bench, point)
        run_both(bench, *works, [0] * cut + [1] * 500)

        assert bench.bad() == []
        assert bench.opened().holds() == []
        outcomes.add(len(bench.packs()))
        (left,) = bench.opened().points()
        assert bench.restored(left.point) == []
    # Held, what it needs stays until the next pass; else it has gone by then.
    assert outcomes == {1, 2}


@given(picks=st.lists(st.integers(0, 1), max_size=200))
def test_in_any_order_nothing_that_is_well_is_called_bad(picks: list[int]) -> None:
    bench, point = two_points()
    works = partial(verifying, bench), partial(expiring, bench, point)
    run_both(bench, *works, picks)

    assert bench.bad() == []


def held_by_nobody(bench: VerifyBench, places: Places) -> list[str]:
    """Verify without holds; a manifest that goes while the plan is made ends it, and no more."""
    try:
        return verifying(bench, Places(places.data, NoHolds(places.control)))
    except NotStored:
        return []


def overtaken(verify: Callable[[VerifyBench, Places], list[str]]) -> int:
    """Return in how many places something that is well comes out as bad."""
    found = 0
    for cut in cuts(verify, 16):
        bench, point = two_points()
        works = partial(verify, bench), partial(expiring, bench, point)
        run_both(bench, *works, [0] * cut + [1] * 500)
        found += bool(bench.bad())
    return found


def test_without_holds_what_is_gone_is_known_by_its_manifest() -> None:
    assert overtaken(held_by_nobody) == 0


def test_what_is_missing_is_bad_only_where_its_manifest_is_still_there() -> None:
    bad = []
    for gone in (["/p/"], ["/m/00000/001/", "/p/"]):
        bench, _ = two_points()
        verification = bench.verification()
        work = verification.plan(VM_ID, asking())
        assert work is not None
        (pack,) = (pack for run in work.packs for pack, _ in run.packs())
        for part in gone:
            for each in [each.name for each in bench.data.list("c/")]:
                if part in each and "00000/002" not in each:
                    bench.data.delete(each)
        told = VerifyTold(1, (ToldPack(pack, "missing"),))
        bad.append(verification.judge(work, told).bad)

    assert bad == [1, 0]


def test_beside_a_repair_the_bad_stays_and_the_point_restores() -> None:
    for cut in cuts(verifying):
        bench, point = two_points()
        bench.damage(bench.packs()[0])
        works = partial(verifying, bench), partial(healing, bench)
        run_both(bench, *works, [0] * cut + [1] * 1_000)

        (entry,) = bench.bad()
        assert (entry.what, entry.parts) == ("damaged", (64,))
        assert bench.restored(point) == []
        assert bench.session(asking(number=9, rota_share=1.0)).sum("refuted") == 0


def test_healing_packs_have_their_turn_and_are_said_where_they_are_lost() -> None:
    bench, _ = two_points()
    bench.damage(bench.packs()[0])
    healing(bench, bench.places)
    (healed,) = (each.name for each in bench.data.list("c/") if "/h/" in each.name)

    done = bench.session(asking(new=False, rota_share=1.0))
    assert next(pack.slot for pack in done.packs) == 0
    assert (done.sum("proven"), done.sum("bad"), len(bench.bad())) == (2, 1, 1)

    bench.damage(healed)
    again = bench.session(asking(number=2, new=False, rota_share=1.0))
    assert "healed once more" in again.says
    assert (again.sum("bad"), len(bench.bad())) == (2, 1)
