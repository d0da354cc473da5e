"""What verifications promise to the session that has a VM's data read back."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta

from tests.contract.ports.point_facts import NOON, WEB, PointPlace, settled
from tests.contract.ports.suites import Suite
from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.control.verify.verify_work import (
    Judged,
    VerifyAsked,
    VerifyWork,
    VmDue,
)
from vmbackup_core.repository.data.verify_told import ToldPack, VerifyTold
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.ports import Verifications

NEW, ALL = timedelta(days=3), timedelta(days=90)


@dataclass(frozen=True)
class VerificationPlace:
    """A repository that is ready, what is written into it, and what reads it back."""

    points: PointPlace
    verifications: Verifications

    async def backed_up(self) -> ArmId:
        """Return a VM that nobody has met before and that has a point now."""
        vm_id = ArmId(f"{WEB}-{uuid.uuid4().hex[:12]}")
        point = await self.points.committed()
        await self.points.record(replace(point, virtual_machine_id=vm_id))
        return vm_id

    async def next_job(self, vm_id: ArmId, asked: VerifyAsked) -> VerifyWork | None:
        where = self.points.repository
        return await settled(lambda: self.verifications.next_job(where, vm_id, asked))

    async def judge(self, work: VerifyWork, told: VerifyTold | None) -> Judged:
        where = self.points.repository
        return await settled(lambda: self.verifications.judge(where, work, told))

    async def sampled(self, vm_id: ArmId) -> dict[ChainId, CommitSlot]:
        where = self.points.repository
        return dict(await settled(lambda: self.verifications.sampled(where, vm_id)))

    async def let_go(self, run: RunId) -> None:
        where = self.points.repository
        await settled(lambda: self.verifications.let_go(where, run))

    async def due(self, after: timedelta) -> list[VmDue]:
        where, now = self.points.repository, NOON + after
        return list(await settled(lambda: self.verifications.due(where, NEW, ALL, now)))

    async def work(self) -> tuple[ArmId, VerifyAsked, VerifyWork]:
        """Return the first job of a VM that was just backed up."""
        vm_id, asked = await self.backed_up(), asked_of_all()
        work = await self.next_job(vm_id, asked)
        assert work is not None
        return vm_id, asked, work


def asked_of_all() -> VerifyAsked:
    """Return what a run asks for that nobody has met before."""
    run = RunId(uuid.uuid4().hex)
    return VerifyAsked(run, new=True, rota_share=0.0, sample=0, most_bytes=1 << 30)


def all_whole(work: VerifyWork) -> VerifyTold:
    return VerifyTold(looked_at=sum(len(run.sizes) for run in work.packs))


class VerificationFacts(Suite):
    """Gets *reading*."""

    ports = (Verifications,)

    async def test_it_says_of_which_backup_a_sample_was_compared_last(
        self, reading: VerificationPlace
    ) -> None:
        vm_id = ArmId(f"{WEB}-{uuid.uuid4().hex[:12]}")
        point = replace(await reading.points.committed(), virtual_machine_id=vm_id)
        await reading.points.record(point)
        (disk,) = point.disks
        retained = frozenset({disk.snapshot_unique_id})
        before = await reading.sampled(vm_id)

        asked = replace(asked_of_all(), new=False, sample=8, retained=retained)
        work = await reading.next_job(vm_id, asked)
        assert work is not None
        assert work.sample is not None
        compared = len(work.sample.blocks) + len(work.sample.used)
        await reading.judge(work, VerifyTold(0, sampled=compared))

        assert disk.chain_id not in before
        assert await reading.sampled(vm_id) == {disk.chain_id: disk.slot}

    async def test_a_vm_without_a_point_has_no_job(self, reading: VerificationPlace) -> None:
        assert await reading.next_job(ArmId(f"{WEB}-none"), asked_of_all()) is None

    async def test_by_the_same_cursor_it_is_the_same_work(self, reading: VerificationPlace) -> None:
        vm_id, asked, work = await reading.work()
        again = await reading.next_job(vm_id, asked)

        assert again is not None
        assert (again.fingerprint, again.place) == (work.fingerprint, work.place)
        assert work.packs
        assert work.sections

    async def test_what_is_read_back_whole_is_proven_and_asked_for_no_more(
        self, reading: VerificationPlace
    ) -> None:
        vm_id, asked, work = await reading.work()
        judged = await reading.judge(work, all_whole(work))

        assert (judged.proven, judged.bad, judged.refuted) == (1, 0, 0)
        assert judged.proven_bytes == work.read_bytes
        assert await reading.next_job(vm_id, replace(asked, cursor=judged.cursor)) is None
        assert await reading.next_job(vm_id, asked_of_all()) is None

    async def test_the_same_answer_judged_again_proves_nothing_twice(
        self, reading: VerificationPlace
    ) -> None:
        vm_id, asked, work = await reading.work()
        first = await reading.judge(work, all_whole(work))
        again = await reading.judge(work, all_whole(work))

        assert again.cursor == first.cursor
        assert await reading.next_job(vm_id, replace(asked, cursor=again.cursor)) is None

    async def test_what_is_whole_is_not_believed_to_be_damaged(
        self, reading: VerificationPlace
    ) -> None:
        vm_id, _, work = await reading.work()
        pack, _ = next(iter(work.packs[0].packs()))
        told = replace(all_whole(work), lost=(ToldPack(pack, "damaged"),))
        judged = await reading.judge(work, told)

        assert (judged.proven, judged.bad, judged.refuted) == (0, 0, 1)
        assert judged.says
        assert await reading.next_job(vm_id, asked_of_all()) is not None

    async def test_what_is_held_is_let_go_and_twice_is_once(
        self, reading: VerificationPlace
    ) -> None:
        _, asked, _ = await reading.work()

        await reading.let_go(asked.run)
        await reading.let_go(asked.run)

    async def test_new_packs_are_due_until_they_are_read_back(
        self, reading: VerificationPlace
    ) -> None:
        vm_id, _, work = await reading.work()
        before = {each.vm_id: each for each in await reading.due(timedelta(days=4))}
        await reading.judge(work, all_whole(work))
        after = {each.vm_id for each in await reading.due(timedelta(days=4))}

        assert before[vm_id].new
        assert before[vm_id].vm_name == "web-01"
        assert vm_id not in after

    async def test_old_packs_are_due_in_their_turn(self, reading: VerificationPlace) -> None:
        vm_id, _, work = await reading.work()
        await reading.judge(work, all_whole(work))
        due = {each.vm_id: each for each in await reading.due(timedelta(days=91))}

        assert (due[vm_id].new, due[vm_id].rota) == (False, True)
