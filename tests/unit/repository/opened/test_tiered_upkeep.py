"""Upkeep of packs in the Archive tier: listed, neither read nor brought back nor called damaged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.repository.opened.tiered_bench import Tiered
from tests.unit.repository.opened.whole_bench import VM_ID, finish_all
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.check import CheckReport
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan
from vmbackup_core.repository.control.verify.verify_work import Judged, VerifyAsked, VerifyWork
from vmbackup_core.repository.data.verify_told import VerifyTold
from vmbackup_core.repository.opened_archive import Archives, PutAway
from vmbackup_core.repository.opened_verify import Verification
from vmbackup_core.repository.primitives.parsed_names import is_pack

READER = RunId("7" * 32)
NOBODY = RunId("8" * 32)


@pytest.fixture
def tiered() -> Tiered:
    return Tiered()


@pytest.fixture
def online() -> Tiered:
    return Tiered(online=True)


def checked(tiered: Tiered, *, read_data: bool) -> CheckReport:
    return tiered.bench.target.opened().check(read_data=read_data)


def put_away(tiered: Tiered, most: int = 100, run: RunId | None = None) -> PutAway | None:
    archives = Archives(tiered.bench.target.opened().work)
    return archives.put_away(tiered.tier, VM_ID, run or tiered.point.run_id, most=most)


def archived(tiered: Tiered) -> list[str]:
    return [each.name for each in tiered.store.list("") if each.archived]


def read_all(tiered: Tiered) -> tuple[list[VerifyWork], list[Judged]]:
    """Judge all works of which no pack is read, as if sections were opened and all was well."""
    verification = Verification(tiered.bench.target.opened().work)
    works, judged = list[VerifyWork](), list[Judged]()
    cursor = ""
    while True:
        asked = VerifyAsked(
            READER, new=True, rota_share=1.0, sample=0, most_bytes=2**40, cursor=cursor
        )
        work = verification.plan(VM_ID, asked)
        if work is None or work.packs:
            verification.let_go(READER)
            return works, judged
        works.append(work)
        judged.append(verification.judge(work, VerifyTold(0) if work.is_for_worker else None))
        cursor = judged[-1].cursor


def forget_the_other(tiered: Tiered) -> None:
    """Have the archived point alone count."""
    opened = tiered.bench.target.opened()
    entries = [each for each in opened.counted() if each.run == tiered.other.run_id]
    opened.upkeep.begin_expire([entry_of(each) for each in entries])
    finish_all(opened.upkeep)


def test_packs_of_a_point_are_put_away_and_nothing_else(online: Tiered) -> None:
    size_bytes = sum(each.size_bytes for each in online.store.list("") if each.name in online.packs)

    assert put_away(online) == PutAway(len(online.packs), size_bytes, len(online.packs))

    assert archived(online) == online.packs


def test_no_more_is_put_away_at_a_time_than_is_asked_for(online: Tiered) -> None:
    for done in range(1, len(online.packs) + 1):
        found = put_away(online, most=1)
        assert found is not None
        assert (found.away, found.is_done) == (done, done == len(online.packs))
        assert len(archived(online)) == done


def test_put_away_again_nothing_is_asked_for(online: Tiered) -> None:
    first = put_away(online)

    assert put_away(online, most=0) == first


@pytest.mark.parametrize("most", [1, 100])
def test_a_turn_lists_packs_and_log_once_however_many_it_puts_away(
    online: Tiered, most: int
) -> None:
    archives = Archives(online.bench.target.opened().work)
    online.store.listed.clear()
    online.control.listed.clear()

    archives.put_away(online.tier, VM_ID, online.point.run_id, most=most)

    assert online.store.listed == online.chains
    assert online.control.listed == ["l/"]


def test_of_a_run_without_a_point_nothing_is_put_away(online: Tiered) -> None:
    assert put_away(online, run=NOBODY) is None

    assert archived(online) == []


def test_what_the_operator_put_away_is_restored_from_copies(online: Tiered) -> None:
    put_away(online)

    online.bring_back("High")
    online.wait("High")

    assert online.restored(online.point) == []


@pytest.mark.parametrize("read_data", [False, True], ids=["sizes", "data"])
def test_a_check_counts_them_and_reads_none(tiered: Tiered, *, read_data: bool) -> None:
    others = sum(
        each.size_bytes
        for each in tiered.store.list("")
        if is_pack(each.name) and each.name not in tiered.packs
    )

    report = checked(tiered, read_data=read_data)

    assert report.good
    assert report.archived_packs == len(tiered.packs)
    assert report.packs > report.archived_packs
    assert report.read_bytes == (others if read_data else 0)
    assert tiered.store.refused == []


@pytest.mark.parametrize("what", ["missing", "resized"])
def test_a_check_finds_one_that_is_not_as_the_list_has_it(tiered: Tiered, what: str) -> None:
    name = tiered.packs[0]
    tiered.store.delete(name)
    if what == "resized":
        tiered.store.put_new(name, b"short")
        tiered.store.archive(name)

    found = [(each.object, each.what) for each in checked(tiered, read_data=True).findings]

    assert found == [(name, what)]


def test_a_verification_asks_no_worker_for_them_and_says_so(tiered: Tiered) -> None:
    forget_the_other(tiered)

    works, judged = read_all(tiered)

    assert sum(each.archived for each in judged) == 2 * len(tiered.packs)  # new, and in turn
    assert not any(each.is_for_worker for each in works)
    assert [each.bad + each.unreadable + each.proven for each in judged] == [0] * len(judged)
    assert [line for each in judged for line in each.says] == []
    assert tiered.store.refused == []


def test_what_was_judged_by_the_listing_is_new_no_longer(tiered: Tiered) -> None:
    forget_the_other(tiered)
    verification = Verification(tiered.bench.target.opened().work)
    soon, long = timedelta(days=1), timedelta(days=10_000)
    now = datetime(2027, 1, 1, tzinfo=UTC)
    assert [each.new for each in verification.due(soon, long, now)] == [True]

    read_all(tiered)

    assert Verification(tiered.bench.target.opened().work).due(soon, long, now) == []


def test_a_verification_finds_one_that_is_gone(tiered: Tiered) -> None:
    forget_the_other(tiered)
    tiered.store.delete(tiered.packs[0])

    _, judged = read_all(tiered)

    assert sum(each.bad for each in judged) == 1
    assert "missing" in "".join(line for each in judged for line in each.says)


def test_one_of_another_length_cannot_be_looked_at_and_is_not_called_damaged(
    tiered: Tiered,
) -> None:
    forget_the_other(tiered)
    name = tiered.packs[0]
    tiered.store.delete(name)
    tiered.store.put_new(name, b"short")
    tiered.store.archive(name)

    _, judged = read_all(tiered)

    assert sum(each.bad for each in judged) == 0
    assert sum(each.unreadable for each in judged) > 0


def test_what_expires_is_deleted_from_the_tier(tiered: Tiered) -> None:
    upkeep = tiered.bench.target.opened().upkeep
    upkeep.begin_expire([entry_of(each) for each in tiered.bench.target.opened().counted()])
    finish_all(upkeep)
    for chain in upkeep.chains():
        upkeep.begin_expire(upkeep.plan_expire_commits(chain, lambda _run: True))
    finish_all(upkeep)
    for plan in upkeep.plan_prune():
        if isinstance(plan, PrunePlan):
            upkeep.prune(plan, lambda: None)

    assert [name for name in tiered.packs if name in archived(tiered)] == []
