"""What recovery points promise to the session that records one."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from tests.contract.ports.suites import Suite
from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import CommitSlot, DiskUniqueId, RunId, SnapshotUniqueId
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.ports import RecoveryPoints
from vmbackup_operator.sessions.seen import ChainGrant, PointDisk, PointWanted

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/g/providers"

#: What an agent commits of a disk of 1 MiB, under a grant: the slot and the commit's digest.
Commit = Callable[[ChainGrant, RunId, SnapshotUniqueId], Awaitable[tuple[CommitSlot, str]]]


@dataclass(frozen=True)
class PointPlace:
    """A repository that is ready, and an agent that commits to it."""

    points: RecoveryPoints
    repository: BackupRepository
    commit: Commit

    async def committed(self) -> PointWanted:
        """Return a point of a disk that an agent just committed, as a session would record it."""
        run, disk = RunId(uuid.uuid4().hex), DiskUniqueId(uuid.uuid4().hex)
        moment = SnapshotUniqueId(f"{disk}-1")
        grant = (await self.points.open_chains(self.repository, [disk]))[disk]
        slot, digest = await self.commit(grant, run, moment)
        stored = PointDisk(
            disk_id=ArmId(f"{GROUP}/Microsoft.Compute/disks/os"),
            name="os",
            unique_id=disk,
            lun=None,
            size_bytes=1 << 20,
            chain_id=grant.chain_id,
            slot=slot,
            commit_digest=digest,
            read_bytes=1 << 20,
            stored_bytes=1 << 20,
            snapshot_id=ArmId(f"{GROUP}/Microsoft.Compute/snapshots/os"),
            snapshot_unique_id=moment,
        )
        return PointWanted(
            run_id=run,
            created_at=NOON,
            virtual_machine_id=ArmId(f"{GROUP}/Microsoft.Compute/virtualMachines/web-01"),
            virtual_machine_name="web-01",
            virtual_machine_region="westeurope",
            description='{"vm": "as it was"}',
            policy=ObjectKey("team", "nightly"),
            retention=Retention(daily=7),
            kind="full",
            disks=(stored,),
        )


class PointFacts(Suite):
    """Gets *place*."""

    ports = (RecoveryPoints,)

    async def test_a_run_that_recorded_nothing_has_none(self, place: PointPlace) -> None:
        wanted = await place.committed()

        assert await place.points.find(place.repository, wanted.run_id) is None

    async def test_one_that_is_recorded_is_found_and_the_same_again_is_no_error(
        self, place: PointPlace
    ) -> None:
        wanted = await place.committed()
        await place.points.record(place.repository, wanted)
        await place.points.record(place.repository, wanted)
        found = await place.points.find(place.repository, wanted.run_id)

        assert found is not None
        assert (found.run_id, found.created_at, found.disks) == (wanted.run_id, NOON, wanted.disks)
        assert found.virtual_machine_id == wanted.virtual_machine_id
        assert (found.virtual_machine_name, found.virtual_machine_region) == (
            "web-01",
            "westeurope",
        )
        assert found.policy_name == "nightly"
        assert await place.points.find(place.repository, RunId("0" * 32)) is None

    async def test_one_of_a_users_session_names_no_policy(self, place: PointPlace) -> None:
        wanted = replace(await place.committed(), policy=None)
        await place.points.record(place.repository, wanted)
        found = await place.points.find(place.repository, wanted.run_id)

        assert found is not None
        assert found.policy_name == ""

    async def test_another_one_of_the_same_run_is_refused(self, place: PointPlace) -> None:
        wanted = await place.committed()
        await place.points.record(place.repository, wanted)
        other = replace(wanted, virtual_machine_name="other")
        with pytest.raises(VmbackupError) as refused:
            await place.points.record(place.repository, other)

        assert getattr(refused.value, "reason", "") == "RecoveryPointDiffers"
        found = await place.points.find(place.repository, wanted.run_id)
        assert found is not None
        assert found.virtual_machine_name == "web-01"

    async def test_one_of_what_was_not_committed_is_refused(self, place: PointPlace) -> None:
        wanted = await place.committed()
        (disk,) = wanted.disks
        for other in (
            replace(disk, slot=CommitSlot(disk.slot + 1)),
            replace(disk, commit_digest="f" * len(disk.commit_digest)),
            replace(disk, snapshot_unique_id=SnapshotUniqueId("another")),
        ):
            with pytest.raises(VmbackupError):
                await place.points.record(place.repository, replace(wanted, disks=(other,)))

        assert await place.points.find(place.repository, wanted.run_id) is None

    async def test_each_disk_has_a_chain_of_its_own_and_keeps_it(self, place: PointPlace) -> None:
        disks = [DiskUniqueId(uuid.uuid4().hex) for _ in range(2)]
        first = await place.points.open_chains(place.repository, disks)
        again = await place.points.open_chains(place.repository, disks)

        assert first == again
        assert first.keys() == set(disks)
        assert len({grant.chain_id for grant in first.values()}) == 2
        assert len({grant.keys for grant in first.values()}) == 2
        assert not [grant for grant in first.values() if grant.keys in repr(grant)]
