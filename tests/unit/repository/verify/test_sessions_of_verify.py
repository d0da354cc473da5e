"""What a session reads of a VM: what is new, a share of what is old, a sample; once each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.repository.opened.whole_bench import VM_ID
from tests.unit.repository.verify.verify_bench import (
    BLOCK,
    VerifyBench,
    a_disk,
    asking,
    verify_run,
)
from vmbackup_core.repository.control.verify.verify_work import ReadSoFar


@pytest.fixture
def bench() -> VerifyBench:
    return VerifyBench().started(a_disk(1))


def test_new_packs_are_read_once(bench: VerifyBench) -> None:
    first = bench.session()
    second = bench.session(asking(number=2))

    assert len(first.packs) == len(bench.packs()) == 3
    assert (first.sum("proven"), first.sum("bad"), first.sum("refuted")) == (3, 0, 0)
    assert first.sum("proven_bytes") == sum(len(bench.data.get(name)) for name in bench.packs())
    assert second.works == []


def test_what_was_read_is_in_the_log(bench: VerifyBench) -> None:
    bench.session()

    (entry,) = bench.proven("packs").values()
    assert (entry.slot, entry.up_to, entry.amount) == (1, None, 3)


def test_a_later_session_reads_what_came_since(bench: VerifyBench) -> None:
    bench.session()
    changed = bytearray(a_disk(1)["os"])
    changed[: 2 * BLOCK] = a_disk(2)["os"][: 2 * BLOCK]
    bench.back_up(2, {"os": bytes(changed)})

    later = bench.session(asking(number=2))

    assert [pack.slot for pack in later.packs] == [2]
    assert [work.sections for work in later.works] == [True]
    assert later.works[0].so_far == ReadSoFar(1, None)


def test_the_oldest_slot_comes_first_and_each_is_gone_through() -> None:
    bench = VerifyBench().started(a_disk(1), a_disk(2), a_disk(3))

    done = bench.session()

    assert [work.place[1] for work in done.works] == [1, 2, 3]
    assert len(done.packs) == len(set(done.packs)) == len(bench.packs())


def test_a_job_reads_no_more_than_it_may_and_the_next_one_goes_on(bench: VerifyBench) -> None:
    done = bench.session(asking(most_bytes=2**20 + 2**19))

    assert [len(work.packs) for work in done.works] == [1, 1, 1]
    assert [work.sections for work in done.works] == [True, False, False]
    assert done.sum("proven") == 3


def test_a_backup_of_what_is_known_has_nothing_to_read(bench: VerifyBench) -> None:
    bench.session()
    bench.back_up(2, a_disk(1))

    done = bench.session(asking(number=2))

    assert [work.is_for_worker for work in done.works] == [False]
    (entry,) = bench.proven("packs").values()
    assert (entry.slot, entry.up_to, entry.amount) == (2, None, 0)


def test_packs_of_a_commit_without_a_point_are_read_with_the_next_one(bench: VerifyBench) -> None:
    bench.session()
    bench.commit_only(2, "os", a_disk(2)["os"])
    bench.back_up(3, a_disk(2))

    done = bench.session(asking(number=2))

    assert {pack.slot for pack in done.packs} == {2}
    assert [work.sections for work in done.works] == [True]


def test_both_disks_of_a_vm_are_read() -> None:
    bench = VerifyBench().started({**a_disk(1), "data": a_disk(5)["os"]})

    done = bench.session()

    assert len({work.chain for work in done.works}) == 2
    assert len(done.packs) == len(bench.packs())


def test_the_rota_reads_everything_in_its_turns(bench: VerifyBench) -> None:
    turns = [
        bench.session(asking(number=number, new=False, rota_share=0.3)).packs
        for number in range(1, 4)
    ]
    order = sorted({pack for packs in turns for pack in packs})

    assert turns == [order[:1], order[1:2], [order[2], order[0]]]  # half a pack is none


def test_the_rota_reads_what_only_an_older_point_needs() -> None:
    bench = VerifyBench().started(a_disk(1), a_disk(2))

    done = bench.session(asking(new=False, rota_share=1.0))

    assert len(done.packs) == len(set(done.packs)) == len(bench.packs())
    assert {run.needed_by for work in done.works for run in work.packs} == {1, 2}


def test_the_rota_goes_on_in_the_next_job_of_its_session(bench: VerifyBench) -> None:
    done = bench.session(asking(new=False, rota_share=1.0, most_bytes=2**20 + 2**19))

    assert len(done.works) == 3
    assert len(set(done.packs)) == 3


def test_a_sample_is_of_the_newest_manifest_whose_snapshot_is_there() -> None:
    bench = VerifyBench().started(a_disk(1), a_disk(2), a_disk(3))
    retained = ["snapshot-1-os", "snapshot-2-os"]

    (work,) = bench.session(asking(new=False, sample=40, retained=retained)).works

    assert work.place[1] == 2
    assert work.sample is not None
    assert (work.sample.snapshot_id, work.sample.snapshot_unique_id) == (
        "/snapshots/2",
        "snapshot-2-os",
    )
    assert (len(work.sample.used), len(work.sample.blocks)) == (40, 10)


def test_a_sample_that_is_the_disk_is_in_the_log(bench: VerifyBench) -> None:
    done = bench.session(asking(new=False, sample=300, retained=["snapshot-1-os"]))

    (entry,) = bench.proven("sample").values()
    assert entry.amount == done.sum("sampled") > 300
    assert done.sum("differing") == 0


def test_no_snapshot_is_no_sample(bench: VerifyBench) -> None:
    assert bench.session(asking(new=False, sample=300)).works == []


def test_what_is_planned_again_by_one_cursor_is_the_same_job(bench: VerifyBench) -> None:
    again = bench.copied()
    asked = asking(rota_share=1.0, sample=20, retained=["snapshot-1-os"], most_bytes=2**20)
    done = bench.session(asked)

    for work, judged in zip(done.works, done.judged, strict=True):
        one, two = (again.verification().plan(VM_ID, asked) for _ in range(2))
        assert one is not None
        assert two is not None
        assert one.fingerprint == two.fingerprint == work.fingerprint
        again.verification().judge(one, again.honest(one))
        asked = replace(asked, cursor=judged.cursor)


def test_what_is_read_is_held_until_the_session_lets_go(bench: VerifyBench) -> None:
    verification = bench.verification()
    work = verification.plan(VM_ID, asking())
    (hold,) = bench.opened().holds()

    assert work is not None
    assert (hold.chain, hold.slot, hold.holder) == (*work.place, verify_run())
    assert hold.said is not None
    assert hold.said.purpose == "verify"

    verification.let_go(verify_run(2))
    assert len(bench.opened().holds()) == 1
    verification.let_go(verify_run())
    verification.let_go(verify_run())
    assert bench.opened().holds() == []
