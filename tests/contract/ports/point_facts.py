"""What recovery points promise to the session that prepares, commits and records one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from msgspec.structs import replace as changed

from tests.contract.ports.suites import Suite
from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_core.ids import CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.control.backup.committing import CommittedDisk
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_core.repository.control.points.points import PointDisk
from vmbackup_core.repository.data.said import SaidDisk, SaidVm
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.retention.in_force import Stamp
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.ports import RecoveryPoints
from vmbackup_operator.sessions.seen import DiskWritten, PointSeen, PointWanted

POLICY = ObjectKey("team", "nightly")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/g/providers"
WEB = ArmId(f"{GROUP}/Microsoft.Compute/virtualMachines/web-01")
SNAPSHOT = f"{GROUP}/Microsoft.Compute/snapshots/os"
SIZE = 1 << 20

T = TypeVar("T")

#: What a worker does with a disk of 1 MiB that was prepared for it.
Write = Callable[[PreparedDisk], Awaitable[DiskWritten]]


def a_disk() -> DiskAsked:
    """Return what a run asks for of a disk, both of which nobody has met before."""
    disk = uuid.uuid4().hex
    return DiskAsked(
        run=RunId(uuid.uuid4().hex),
        snapshot_unique_id=SnapshotUniqueId(f"{disk}-1"),
        taken_at=Time.of(NOON),
        disk_bytes=SIZE,
        disk=SaidDisk(f"{GROUP}/Microsoft.Compute/disks/os", disk, "os", None),
        vm=SaidVm(WEB, "web-01", "westeurope"),
    )


async def settled(ask: Callable[[], Awaitable[T | Waiting]]) -> T:
    """Return the answer, which may take several looks."""
    for _ in range(600):
        answer = await ask()
        if not isinstance(answer, Waiting):
            return answer
        await asyncio.sleep(min(answer.seconds, 0.1))
    raise AssertionError("it does not come to that")


@dataclass(frozen=True)
class PointPlace:
    """A repository that is ready, and a worker that writes into it."""

    points: RecoveryPoints
    repository: BackupRepository
    write: Write
    kept_until: datetime | None = None

    async def begin_anew(self, *disks: DiskAsked) -> None:
        await settled(lambda: self.points.begin_anew(self.repository, disks, "a person said so"))

    async def prepared(self, *disks: DiskAsked) -> list[PreparedDisk]:
        return list(await settled(lambda: self.points.prepare(self.repository, disks)))

    async def written(self, asked: DiskAsked) -> DiskWritten:
        (prepared,) = await self.prepared(asked)
        return await self.write(prepared)

    async def commit(self, asked: DiskAsked, written: DiskWritten) -> CommittedDisk:
        return await settled(
            lambda: self.points.commit(self.repository, asked, written, self.kept_until)
        )

    async def find_committed(self, *disks: DiskAsked) -> list[CommittedDisk | None]:
        return list(await settled(lambda: self.points.find_committed(self.repository, disks)))

    async def newest(self, vm: ArmId, *runs: RunId) -> list[PointSeen]:
        return list(await settled(lambda: self.points.newest(self.repository, vm, runs)))

    async def find(self, run: RunId, vm: ArmId = WEB) -> PointSeen | None:
        return await settled(lambda: self.points.find(self.repository, vm, run))

    async def record(self, point: PointWanted) -> PointSeen:
        return await settled(lambda: self.points.record(self.repository, point))

    async def committed(self, asked: DiskAsked | None = None) -> PointWanted:
        """Return a point of a disk that was just committed, as a session would record it."""
        asked = asked or a_disk()
        commit = await self.commit(asked, await self.written(asked))
        stored = PointDisk(
            id=asked.disk.id,
            name=asked.disk.name,
            unique_id=asked.unique_id,
            lun=None,
            size_bytes=SIZE,
            snapshot_id=SNAPSHOT,
            snapshot_unique_id=asked.snapshot_unique_id,
            chain_id=commit.chain,
            slot=commit.slot,
            commit_sha256=commit.sha256,
            manifest=commit.manifest,
            manifest_sha256=commit.manifest_sha256,
            read_bytes=commit.statistics.read_bytes,
            stored_bytes=commit.stored_bytes,
        )
        return PointWanted(
            run_id=asked.run,
            created_at=NOON,
            virtual_machine_id=WEB,
            virtual_machine_name="web-01",
            virtual_machine_region="westeurope",
            description='{"vm": "as it was"}',
            policy=POLICY,
            retention=SessionRetention(daily=7),
            kind="full",
            disks=(stored,),
        )


class PointFacts(Suite):
    """Gets *place*."""

    ports = (RecoveryPoints,)

    async def test_a_run_that_recorded_nothing_has_none(self, place: PointPlace) -> None:
        wanted = await place.committed()

        assert await place.find(wanted.run_id) is None

    async def test_one_that_is_recorded_is_found_and_the_same_again_is_no_error(
        self, place: PointPlace
    ) -> None:
        wanted = await place.committed()
        recorded = await place.record(wanted)
        again = await place.record(wanted)
        found = await place.find(wanted.run_id)

        assert found == recorded == again
        assert (found.run_id, found.created_at, found.disks) == (wanted.run_id, NOON, wanted.disks)
        assert type(found.created_at) is datetime
        assert found.virtual_machine_id == wanted.virtual_machine_id
        assert (found.virtual_machine_name, found.virtual_machine_region) == (
            "web-01",
            "westeurope",
        )
        assert found.policy_name == "nightly"
        assert await place.find(RunId("0" * 32)) is None

    async def test_one_is_found_by_its_vm_however_that_is_written(self, place: PointPlace) -> None:
        wanted = await place.committed()
        await place.record(wanted)

        assert await place.find(wanted.run_id, ArmId(WEB.upper())) is not None
        assert await place.find(wanted.run_id, ArmId(f"{WEB}-2")) is None

    async def test_the_newest_is_told_with_those_that_are_asked_for(
        self, place: PointPlace
    ) -> None:
        vm = ArmId(f"{WEB}-{uuid.uuid4().hex}")
        recorded = []
        for hours in range(3):
            wanted = replace(
                await place.committed(),
                virtual_machine_id=vm,
                created_at=NOON + timedelta(hours=hours),
            )
            recorded.append(await place.record(wanted))
        runs = [each.run_id for each in recorded]

        assert await place.newest(vm) == recorded[2:]
        assert await place.newest(ArmId(vm.upper()), runs[0]) == [recorded[2], recorded[0]]
        assert await place.newest(vm, runs[2], RunId("0" * 32)) == recorded[2:]
        assert await place.newest(ArmId(f"{vm}-2"), runs[0]) == []

    async def test_one_of_a_users_session_names_no_policy(self, place: PointPlace) -> None:
        wanted = replace(await place.committed(), policy=None)
        await place.record(wanted)
        found = await place.find(wanted.run_id)

        assert found is not None
        assert found.policy_name == ""

    async def test_another_one_of_the_same_run_is_refused(self, place: PointPlace) -> None:
        wanted, other = await place.committed(), await place.committed()
        await place.record(wanted)
        disks = await self._of_run(place, wanted.run_id)
        with pytest.raises(PermanentError, match=wanted.run_id) as refused:
            await place.record(replace(other, run_id=wanted.run_id, disks=disks))

        assert refused.value.reason == "RecoveryPointDiffers"
        found = await place.find(wanted.run_id)
        assert found is not None
        assert found.disks == wanted.disks

    async def _of_run(self, place: PointPlace, run: RunId) -> tuple[PointDisk, ...]:
        """Return another disk that the same run has committed."""
        asked = replace(a_disk(), run=run)
        commit = await place.commit(asked, await place.written(asked))
        (disk,) = (await place.committed()).disks
        return (
            changed(
                disk,
                unique_id=asked.unique_id,
                snapshot_unique_id=asked.snapshot_unique_id,
                chain_id=commit.chain,
                slot=commit.slot,
                commit_sha256=commit.sha256,
                manifest=commit.manifest,
                manifest_sha256=commit.manifest_sha256,
            ),
        )

    async def test_one_of_what_was_not_committed_is_a_lost_attempt(self, place: PointPlace) -> None:
        wanted = await place.committed()
        (disk,) = wanted.disks
        for other in (
            changed(disk, commit_sha256="f" * 64),
            changed(disk, snapshot_unique_id=SnapshotUniqueId("another")),
        ):
            with pytest.raises(LostAttempt):
                await place.record(replace(wanted, disks=(other,)))

        assert await place.find(wanted.run_id) is None

    async def test_each_disk_has_a_chain_of_its_own_and_keeps_it(self, place: PointPlace) -> None:
        disks = [a_disk(), a_disk()]
        first = await place.prepared(*disks)
        again = await place.prepared(*disks)

        assert [each.chain for each in first] == [each.chain for each in again]
        assert len({each.chain.chain for each in first}) == 2
        assert [each.grant.run_id for each in first] == [each.run for each in disks]
        assert [each.grant.slot for each in first] == [1, 1]
        assert not [each for each in first if each.keys.text in repr(each)]

    async def test_a_chain_is_begun_anew_once_for_each_run_and_uses_nothing_of_the_old(
        self, place: PointPlace
    ) -> None:
        asked = a_disk()
        old = await place.record(await place.committed(asked))
        again = replace(asked, run=RunId(uuid.uuid4().hex))
        await place.begin_anew(again)
        await place.begin_anew(again)
        (prepared,) = await place.prepared(again)
        commit = await place.commit(again, await place.written(again))

        assert prepared.grant.newest is None
        assert (commit.chain, commit.slot) == (prepared.chain.chain, 1)
        assert prepared.chain.generation == 1
        assert commit.chain != old.disks[0].chain_id
        assert await place.find_committed(again) == [commit]
        assert await place.find(asked.run) == old

    async def test_a_disk_that_is_committed_has_its_commit_and_a_next_slot(
        self, place: PointPlace
    ) -> None:
        asked = a_disk()
        before = await place.find_committed(asked)
        commit = await place.commit(asked, await place.written(asked))
        (prepared,) = await place.prepared(replace(asked, run=RunId(uuid.uuid4().hex)))

        assert before == [None]
        assert await place.find_committed(asked, a_disk()) == [commit, None]
        assert (commit.slot, prepared.grant.slot) == (1, 2)
        assert prepared.grant.newest is not None
        assert prepared.grant.newest.sha256 == commit.manifest_sha256

    async def test_committed_twice_it_is_one_commit_whatever_was_written_since(
        self, place: PointPlace
    ) -> None:
        asked = a_disk()
        written = await place.written(asked)
        first = await place.commit(asked, written)
        later = await place.written(asked)

        assert await place.commit(asked, written) == first
        assert await place.commit(asked, later) == first

    async def test_what_is_not_what_was_asked_for_is_not_committed(self, place: PointPlace) -> None:
        asked = a_disk()
        written = await place.written(asked)
        for wrong in (
            replace(written, sha256="f" * 64),
            replace(written, manifest=written.manifest[:-32] + "0" * 32),
        ):
            with pytest.raises(LostAttempt):
                await place.commit(asked, wrong)
        moment = SnapshotUniqueId("another")
        with pytest.raises(LostAttempt):
            await place.commit(replace(asked, snapshot_unique_id=moment), written)

        assert await place.find_committed(asked) == [None]

    async def test_of_two_that_were_written_for_one_slot_one_is_committed(
        self, place: PointPlace
    ) -> None:
        first = a_disk()
        second = replace(
            first, run=RunId(uuid.uuid4().hex), snapshot_unique_id=SnapshotUniqueId("later")
        )
        written = [await place.written(each) for each in (first, second)]
        await place.commit(first, written[0])
        with pytest.raises(LostAttempt) as lost:
            await place.commit(second, written[1])
        again = await place.commit(second, await place.written(second))

        assert lost.value.reason == "SlotTaken"
        assert again.slot == CommitSlot(2)

    async def test_one_with_a_shorter_retention_says_what_it_waits_for(
        self, place: PointPlace
    ) -> None:
        """Whatever becomes of policies and of the cluster: the repository remembers."""
        long, short = SessionRetention(daily=7), SessionRetention(last=1)
        vm, other = ArmId(f"{WEB}-shortened"), ObjectKey("team", "other")
        kept = [(long, POLICY), (short, other), (short, POLICY), (long, POLICY)]
        stamps = []
        for hours, (retention, policy) in enumerate(kept):
            wanted = replace(
                await place.committed(),
                created_at=NOON + timedelta(hours=hours),
                virtual_machine_id=vm,
                retention=retention,
                policy=policy,
            )
            stamps.append((await place.record(wanted)).stamp)

        first, apart, shorter, longer = stamps
        assert shorter is not None
        (held,) = shorter.held
        assert (first, apart, longer) == (Stamp(long.rule), Stamp(short.rule), Stamp(long.rule))
        assert (shorter.retention, held.retention) == (short.rule, long.rule)
        assert held.until is not None
