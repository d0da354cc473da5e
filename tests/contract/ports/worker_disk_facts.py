"""What is promised of disks that are attached to a worker of ours while it writes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.contract.ports.suites import Suite, Until
from vmbackup_core.errors import LostAttempt, VmbackupError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.ports import Workers
from vmbackup_operator.sessions.rewind_ports import WorkerDisks


@dataclass(frozen=True)
class WorkerDiskPlace:
    """A worker of ours that runs, another one, and a user's VM that has a data disk.

    *spare* makes a whole disk that no VM has; *holders* tells which VM has each disk.
    """

    disks: WorkerDisks
    workers: Workers
    worker: ArmId
    other: ArmId
    users_disk: ArmId
    spare: Callable[[], Awaitable[ArmId]]
    holder: Callable[[ArmId], Awaitable[str]]
    until: Until

    async def attach(self, *disks: ArmId) -> None:
        wanted = dict(enumerate(disks))
        await self.until(lambda: self.disks.attach(self.worker, wanted))

    async def detach(self, *disks: ArmId) -> None:
        await self.until(lambda: self.disks.detach(disks))


class WorkerDiskFacts(Suite):
    """Gets *place*."""

    ports = (WorkerDisks,)

    async def test_disks_are_the_workers_until_they_are_detached(
        self, place: WorkerDiskPlace
    ) -> None:
        first, second = await place.spare(), await place.spare()
        await place.attach(first, second)
        assert [await place.holder(each) for each in (first, second)] == [folded(place.worker)] * 2
        assert await place.disks.attach(place.worker, {0: first, 1: second}) is True

        await place.detach(first, second)
        assert [await place.holder(each) for each in (first, second)] == ["", ""]
        assert await place.disks.detach([first, second]) is True

    async def test_what_an_earlier_attempt_has_left_makes_room(
        self, place: WorkerDiskPlace
    ) -> None:
        left, wanted = await place.spare(), await place.spare()
        await place.attach(left)
        await place.attach(wanted)

        assert [await place.holder(each) for each in (left, wanted)] == ["", folded(place.worker)]

    async def test_a_disk_that_another_worker_has_is_refused(self, place: WorkerDiskPlace) -> None:
        disk = await place.spare()
        await place.attach(disk)

        with pytest.raises(VmbackupError):
            await place.until(lambda: place.disks.attach(place.other, {0: disk}))
        assert await place.holder(disk) == folded(place.worker)

    async def test_a_disk_of_a_user_stays_with_its_vm(self, place: WorkerDiskPlace) -> None:
        before = await place.holder(place.users_disk)
        assert before

        assert await place.disks.detach([place.users_disk]) is True
        assert await place.holder(place.users_disk) == before

    async def test_a_worker_that_is_deleted_has_no_disk(self, place: WorkerDiskPlace) -> None:
        disk = await place.spare()
        await place.attach(disk)
        await place.until(lambda: place.workers.delete(place.worker))

        assert await place.disks.detach([disk]) is True
        assert await place.holder(disk) == ""
        with pytest.raises(LostAttempt) as lost:
            await place.disks.attach(place.worker, {0: disk})
        assert lost.value.reason == "WorkerLost"

    async def test_of_a_disk_that_is_not_there_nothing_is_owed(
        self, place: WorkerDiskPlace
    ) -> None:
        disk = await place.spare()

        assert await place.disks.detach([ArmId(f"{disk}-gone")]) is True
