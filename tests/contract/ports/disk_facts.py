"""What Azure's disks promise that are made for an upload, from their creation to their end."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.contract.ports.snapshot_facts import disk_access_of
from tests.contract.ports.suites import Suite, Until
from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import same_id
from vmbackup_operator.naming import ArmId, arm_id
from vmbackup_operator.sessions.region_ports import DiskAccesses
from vmbackup_operator.sessions.restore_ports import DiskMade, Disks, DiskToMake
from vmbackup_operator.sessions.seen import Region, SecretUrl

GIB = 1 << 30


@dataclass(frozen=True)
class DiskPlace:
    """Where disks are made: in *group*, and in a region that is ready."""

    disks: Disks
    #: The same disks as another appliance sees them, whose keys are others.
    others: Disks
    accesses: DiskAccesses
    region: Region
    subscription: str
    group: str
    appliance: str
    until: Until
    opens: Callable[[SecretUrl], bool]

    async def wanted(self) -> DiskToMake:
        """Return a disk under a name that nobody used, behind the region's first disk access."""
        run = RunId(uuid.uuid4().hex)

        async def standing() -> ArmId | None:
            first = disk_access_of(self.region, self.appliance, 0)
            access = await self.accesses.ensure(self.region, first)
            return access.id if access.ready else None

        name = f"restored-{run[:12]}"
        return DiskToMake(
            id=arm_id(self.subscription, self.group, "Microsoft.Compute/disks", name),
            run_id=run,
            size_bytes=GIB,
            disk_access_id=await self.until(standing),
            body={
                "location": self.region.region,
                "sku": {"name": "Premium_LRS"},
                "tags": {"team": "web"},
                "properties": {"osType": "Linux"},
            },
        )

    async def make(self, wanted: DiskToMake) -> DiskMade:
        async def ready() -> DiskMade | None:
            await self.disks.request(wanted)
            seen = await self.disks.find(wanted.id)
            return seen if seen is not None and seen.ready else None

        seen: DiskMade = await self.until(ready)
        return seen

    async def grant(self, wanted: DiskToMake) -> SecretUrl:
        url: SecretUrl = await self.until(lambda: self.disks.grant(wanted.id, wanted.run_id, 3600))
        return url

    async def end(self, wanted: DiskToMake) -> None:
        await self.until(lambda: self.disks.revoke(wanted.id, wanted.run_id))
        await self.until(lambda: self.disks.delete(wanted.id, wanted.run_id))


class DiskFacts(Suite):
    """Gets *place*."""

    ports = (Disks,)

    async def test_what_is_made_takes_an_upload_through_its_disk_access(
        self, place: DiskPlace
    ) -> None:
        wanted = await place.wanted()
        seen = await place.make(wanted)

        assert (seen.state, seen.takes_upload, seen.failure) == ("ReadyToUpload", True, None)
        assert (seen.run_id, seen.size_bytes, seen.doubt) == (wanted.run_id, GIB, "")
        assert same_id(seen.disk_access_id or "", wanted.disk_access_id or "none")
        await place.end(wanted)
        assert await place.disks.find(wanted.id) is None

    async def test_a_grant_opens_it_and_asked_for_again_gives_the_same(
        self, place: DiskPlace
    ) -> None:
        wanted = await place.wanted()
        await place.make(wanted)
        url = await place.grant(wanted)

        assert place.opens(url)
        assert (await place.grant(wanted)).value == url.value
        seen = await place.disks.find(wanted.id)
        assert seen is not None
        assert (seen.state, seen.takes_upload) == ("ActiveUpload", True)
        await place.end(wanted)

    async def test_once_access_has_ended_it_is_a_disk_like_others_and_takes_no_upload(
        self, place: DiskPlace
    ) -> None:
        wanted = await place.wanted()
        await place.make(wanted)
        url = await place.grant(wanted)
        await place.until(lambda: place.disks.revoke(wanted.id, wanted.run_id))

        assert not place.opens(url)
        seen = await place.disks.find(wanted.id)
        assert seen is not None
        assert (seen.state, seen.takes_upload) == ("Unattached", False)
        with pytest.raises(VmbackupError):
            await place.grant(wanted)
        await place.end(wanted)

    async def test_what_is_changed_already_is_not_changed_again(self, place: DiskPlace) -> None:
        wanted = await place.wanted()
        await place.make(wanted)
        await place.grant(wanted)
        await place.until(lambda: place.disks.revoke(wanted.id, wanted.run_id))
        change = {"properties": {"networkAccessPolicy": "DenyAll"}}
        await place.until(lambda: place.disks.change(wanted.id, wanted.run_id, change))

        assert await place.disks.change(wanted.id, wanted.run_id, change)
        await place.end(wanted)

    async def test_ending_access_that_was_never_granted_leaves_it_ready(
        self, place: DiskPlace
    ) -> None:
        wanted = await place.wanted()
        await place.make(wanted)
        await place.until(lambda: place.disks.revoke(wanted.id, wanted.run_id))

        seen = await place.disks.find(wanted.id)
        assert seen is not None
        assert seen.takes_upload
        await place.end(wanted)

    async def test_what_is_not_there_has_no_access_and_is_gone(self, place: DiskPlace) -> None:
        wanted = await place.wanted()

        assert await place.disks.find(wanted.id) is None
        assert await place.disks.revoke(wanted.id, wanted.run_id)
        assert await place.disks.delete(wanted.id, wanted.run_id)

    async def test_another_run_touches_nothing_of_it(self, place: DiskPlace) -> None:
        wanted = await place.wanted()
        await place.make(wanted)
        other = replace(wanted, run_id=RunId("f" * 32), size_bytes=2 * GIB)
        await place.disks.request(other)

        for ask in (place.disks.delete, lambda disk, run: place.disks.grant(disk, run, 3600)):
            with pytest.raises(PermanentError) as refused:
                await ask(wanted.id, other.run_id)
            assert refused.value.reason == "NotOurs"
        seen = await place.disks.find(wanted.id)
        assert seen is not None
        assert (seen.run_id, seen.size_bytes) == (wanted.run_id, GIB)
        await place.end(wanted)

    async def test_another_appliance_knows_it_for_none_of_its_own(self, place: DiskPlace) -> None:
        wanted = await place.wanted()
        await place.make(wanted)
        seen = await place.others.find(wanted.id)

        assert seen is not None
        assert seen.run_id is None
        assert seen.doubt
        with pytest.raises(PermanentError):
            await place.others.delete(wanted.id, wanted.run_id)
        await place.end(wanted)
