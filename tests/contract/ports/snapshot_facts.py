"""What Azure's snapshots promise, from their creation to their end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from tests.contract.ports.suites import Suite, Until
from vmbackup_core.errors import RefusedForNow, VmbackupError
from vmbackup_core.ids import DiskUniqueId, RunId
from vmbackup_operator.naming import (
    APPLIANCE_TAG,
    RUN_TAG,
    ArmId,
    arm_id,
    environment_names,
    resource_group_of,
)
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.ports import Snapshots
from vmbackup_operator.sessions.region_ports import DiskAccesses
from vmbackup_operator.sessions.seen import Region, SecretUrl, SnapshotSeen, SnapshotWanted
from vmbackup_operator.sessions.tags import MemberFacts, seal_tags


@dataclass(frozen=True)
class SnapshotPlace:
    """Where snapshots are taken: of a disk of 4 GiB, in a region that is ready."""

    snapshots: Snapshots
    accesses: DiskAccesses
    region: Region
    subscription: str
    group: str
    disk_id: ArmId
    ring: KeyRing
    appliance: str
    until: Until
    opens: Callable[[SecretUrl], bool]
    #: Deletes a snapshot, as somebody else with rights in the group may.
    remove: Callable[[ArmId], Awaitable[None]]

    def wanted(
        self, tags: Mapping[str, str] | None = None, ring: KeyRing | None = None
    ) -> SnapshotWanted:
        """Return a snapshot under a name that nobody used, with *tags* in place of ours."""
        run = uuid.uuid4().hex
        name = f"vmb-{run[:20]}-0"
        snapshot = arm_id(self.subscription, self.group, "Microsoft.Compute/snapshots", name)
        facts = MemberFacts(
            run_id=RunId(run),
            virtual_machine_id=ArmId(f"{self.disk_id}-vm"),
            disk_id=self.disk_id,
            disk_unique_id=DiskUniqueId("unique"),
            lun=0,
            position=0,
            members=1,
        )
        sealed = seal_tags((ring or self.ring).active, snapshot, facts)
        ours = {APPLIANCE_TAG: self.appliance, RUN_TAG: run, **sealed}
        return SnapshotWanted(snapshot, self.region.region, self.disk_id, tags or ours)

    async def take(self, wanted: SnapshotWanted) -> SnapshotSeen:
        async def ready() -> SnapshotSeen | None:
            await self.snapshots.request(wanted)
            seen = await self.snapshots.find(wanted.id)
            return seen if seen is not None and seen.ready else None

        seen: SnapshotSeen = await self.until(ready)
        return seen

    def access(self, number: int) -> ArmId:
        """Return the id of the region's disk access of that number."""
        return disk_access_of(self.region, self.appliance, number)

    async def stand(self, number: int) -> ArmId:
        """Return the region's disk access of that number, once it stands."""

        async def standing() -> ArmId | None:
            access = await self.accesses.ensure(self.region, self.access(number))
            return access.id if access.ready else None

        access_id: ArmId = await self.until(standing)
        return access_id

    async def tie(self, wanted: SnapshotWanted) -> ArmId:
        """Take the snapshot, tie it to the first disk access and return that one's id."""
        await self.take(wanted)
        access_id = await self.stand(0)
        await self.until(lambda: self.snapshots.associate(wanted.id, access_id))
        return access_id

    async def grant(self, wanted: SnapshotWanted, seconds: int = 3600) -> SecretUrl:
        url: SecretUrl = await self.until(lambda: self.snapshots.grant(wanted.id, seconds))
        return url

    async def end(self, wanted: SnapshotWanted) -> None:
        await self.until(lambda: self.snapshots.revoke(wanted.id))
        await self.until(lambda: self.snapshots.delete(wanted.id))

    async def listed(self, group: str = "") -> Mapping[str, SnapshotSeen]:
        found = await self.snapshots.of_group(self.subscription, group or self.group)
        return {snapshot.id.lower(): snapshot for snapshot in found}


def disk_access_of(region: Region, appliance: str, number: int) -> ArmId:
    """Return the id of the region's disk access of that number."""
    names = environment_names(appliance, region.subscription_id, region.region)
    resource_type = "Microsoft.Compute/diskAccesses"
    name = names.disk_access(number)
    return arm_id(region.subscription_id, region.resource_group, resource_type, name)


class SnapshotFacts(Suite):
    """Gets *place*."""

    ports = (Snapshots,)

    async def test_it_begins_closed_with_its_tags(self, place: SnapshotPlace) -> None:
        wanted = place.wanted()
        seen = await place.take(wanted)

        assert (seen.network_access, seen.public_access, seen.exported) == ("DenyAll", False, False)
        assert (seen.incremental, seen.size_bytes, seen.failure) == (True, 4 << 30, None)
        assert seen.tags == wanted.tags
        assert seen.region == wanted.region
        assert seen.source_disk_id.lower() == place.disk_id.lower()
        assert seen.source_unique_id
        assert seen.disk_access_id is None

    async def test_asking_again_leaves_it_as_it_is(self, place: SnapshotPlace) -> None:
        wanted = place.wanted()
        first = await place.take(wanted)
        await place.snapshots.request(replace(wanted, tags={"other": "tags"}))

        assert await place.snapshots.find(wanted.id) == first

    async def test_one_that_is_taken_again_is_told_from_the_first(
        self, place: SnapshotPlace
    ) -> None:
        wanted = place.wanted()
        first = await place.take(wanted)
        assert await place.until(lambda: place.snapshots.delete(wanted.id)) is True
        again = await place.take(wanted)

        assert again.unique_id != first.unique_id

    async def test_it_is_there_until_its_deletion_has_ended(self, place: SnapshotPlace) -> None:
        wanted = place.wanted()
        await place.take(wanted)

        assert await place.snapshots.delete(wanted.id) is False
        while (seen := await place.snapshots.find(wanted.id)) is not None:
            assert (seen.exported, seen.failure) == (False, None)
        assert await place.snapshots.delete(wanted.id) is True

    async def test_an_id_is_found_however_it_is_written(self, place: SnapshotPlace) -> None:
        wanted = place.wanted()
        await place.take(wanted)

        assert await place.snapshots.find(ArmId(wanted.id.upper())) is not None
        assert wanted.id.lower() in await place.listed(resource_group_of(wanted.id).upper())
        assert await place.snapshots.find(ArmId(f"{wanted.id}0")) is None
        assert await place.listed("rg-that-nobody-made") == {}

    async def test_it_is_exported_through_its_disk_access_and_closed_again(
        self, place: SnapshotPlace
    ) -> None:
        wanted = place.wanted()
        access_id = await place.tie(wanted)
        url = await place.grant(wanted)
        exported = await place.snapshots.find(wanted.id)
        opened = place.opens(url)
        await place.until(lambda: place.snapshots.revoke(wanted.id))
        closed = await place.snapshots.find(wanted.id)
        opened_then = place.opens(url)
        await place.until(lambda: place.snapshots.delete(wanted.id))

        assert exported is not None
        assert closed is not None
        assert (exported.network_access, exported.public_access) == ("AllowPrivate", False)
        assert (exported.disk_access_id or "").lower() == access_id.lower()
        assert (exported.exported, closed.exported) == (True, False)
        assert (opened, opened_then) == (True, False)
        assert "sig=" not in f"{url} {url!r}"
        assert await place.snapshots.find(wanted.id) is None

    async def test_a_sas_ends_by_its_first_grant_though_it_is_asked_for_again(
        self, place: SnapshotPlace
    ) -> None:
        wanted = place.wanted()
        await place.tie(wanted)
        first = await place.grant(wanted, 20)
        again = await place.grant(wanted, 3600)
        opened = place.opens(first)

        async def ended() -> bool:
            return not place.opens(again)

        await place.until(ended)
        seen = await place.snapshots.find(wanted.id)
        anew = await place.grant(wanted, 3600)
        tried = [place.opens(url) for url in (first, anew)]
        await place.end(wanted)

        assert again == first
        assert first.expires_at is None
        assert opened
        assert seen is not None
        assert not seen.exported
        assert tried == [False, True]

    async def test_only_an_end_of_access_gives_a_sas_a_new_life(self, place: SnapshotPlace) -> None:
        wanted = place.wanted()
        await place.tie(wanted)
        first = await place.grant(wanted)
        await place.until(lambda: place.snapshots.revoke(wanted.id))
        second = await place.grant(wanted)
        tried = [place.opens(url) for url in (first, second)]
        await place.end(wanted)

        assert second != first
        assert tried == [False, True]

    async def test_one_that_is_exported_is_not_deleted(self, place: SnapshotPlace) -> None:
        wanted = place.wanted()
        await place.tie(wanted)
        await place.grant(wanted)
        with pytest.raises(RefusedForNow) as refused:
            await place.until(lambda: place.snapshots.delete(wanted.id))

        assert refused.value.reason == "OperationNotAllowed"
        seen = await place.snapshots.find(wanted.id)
        assert seen is not None
        assert seen.exported
        await place.end(wanted)

    async def test_one_that_is_closed_is_not_exported(self, place: SnapshotPlace) -> None:
        wanted = place.wanted()
        await place.take(wanted)

        with pytest.raises(RefusedForNow) as refused:
            await place.grant(wanted)
        assert refused.value.reason == "OperationNotAllowed"

    async def test_a_disk_access_exports_five_at_once(self, place: SnapshotPlace) -> None:
        several = [place.wanted() for _ in range(6)]
        await asyncio.gather(*(place.tie(wanted) for wanted in several))
        await asyncio.gather(*(place.grant(wanted) for wanted in several[:5]))
        with pytest.raises(RefusedForNow) as refused:
            await place.grant(several[5])
        assert refused.value.reason == "OperationNotAllowed"

        await place.until(lambda: place.snapshots.revoke(several[0].id))
        assert place.opens(await place.grant(several[5]))
        await asyncio.gather(*(place.end(wanted) for wanted in several))

    async def test_one_that_is_tied_has_been_copied(self, place: SnapshotPlace) -> None:
        access_id, wanted = await place.stand(0), place.wanted()
        await place.snapshots.request(wanted)
        await place.until(lambda: place.snapshots.associate(wanted.id, access_id))
        seen = await place.snapshots.find(wanted.id)

        assert seen is not None
        assert seen.ready
        assert (seen.disk_access_id or "").lower() == access_id.lower()
        assert await place.snapshots.associate(wanted.id, ArmId(access_id.upper())) is True
        await place.end(wanted)

    async def test_none_is_tied_to_a_disk_access_that_is_not_there(
        self, place: SnapshotPlace
    ) -> None:
        wanted = place.wanted()
        access_id = await place.stand(0)
        await place.take(wanted)

        with pytest.raises(RefusedForNow) as refused:
            await place.until(
                lambda: place.snapshots.associate(wanted.id, ArmId(f"{access_id}000"))
            )
        assert refused.value.reason == "NotFound"

    async def test_what_is_gone_counts_as_revoked_and_deleted(self, place: SnapshotPlace) -> None:
        wanted = place.wanted()

        assert await place.until(lambda: place.snapshots.revoke(wanted.id)) is True
        assert await place.until(lambda: place.snapshots.delete(wanted.id)) is True
        with pytest.raises(VmbackupError):
            await place.until(lambda: place.snapshots.associate(wanted.id, None))
        with pytest.raises(RefusedForNow) as refused:
            await place.grant(wanted)
        assert refused.value.reason == "NotFound"

    async def test_somebody_elses_is_neither_listed_nor_deleted(self, place: SnapshotPlace) -> None:
        untagged = place.wanted({"team": "web"})
        others = place.wanted({APPLIANCE_TAG: f"not-{place.appliance}"})
        for foreign in (untagged, others):
            await place.take(foreign)
            assert foreign.id.lower() not in await place.listed()

            with pytest.raises(VmbackupError, match="left alone") as refused:
                await place.snapshots.delete(foreign.id)
            assert getattr(refused.value, "reason", "") == "NotOurs"
            with pytest.raises(VmbackupError, match="left alone") as refused:
                await place.snapshots.seal(foreign.id, {"more": "tags"})
            assert getattr(refused.value, "reason", "") == "NotOurs"

    async def test_one_with_the_plain_tag_alone_is_shown_and_not_deleted(
        self, place: SnapshotPlace
    ) -> None:
        plain = place.wanted({APPLIANCE_TAG.title(): place.appliance})
        await place.take(plain)
        listed = await place.listed()

        assert plain.id.lower() in listed
        with pytest.raises(VmbackupError, match="vmbackup-sealed is missing") as refused:
            await place.snapshots.delete(plain.id)
        assert getattr(refused.value, "reason", "") == "NotOurs"

    async def test_one_whose_key_left_the_ring_is_not_deleted_and_the_key_is_named(
        self, place: SnapshotPlace
    ) -> None:
        older = ApplianceKey("2025", b"o" * 32)
        wanted = place.wanted(ring=KeyRing(older, {older.id: older}))
        await place.take(wanted)

        with pytest.raises(VmbackupError, match="key 2025,") as refused:
            await place.snapshots.delete(wanted.id)
        assert getattr(refused.value, "reason", "") == "TagsKeyUnknown"
        with pytest.raises(VmbackupError, match="key 2025,") as refused:
            await place.snapshots.seal(wanted.id, {"more": "tags"})
        assert getattr(refused.value, "reason", "") == "TagsKeyUnknown"
        assert await place.snapshots.find(wanted.id) is not None
        # For as long as it is there, nothing is written in its region.
        with pytest.raises(VmbackupError, match="2025"):
            await place.take(place.wanted())
        await place.remove(wanted.id)
        await place.take(place.wanted())

    async def test_one_is_sealed_anew(self, place: SnapshotPlace) -> None:
        wanted = place.wanted()
        await place.take(wanted)
        added = {RUN_TAG: "another", f"{RUN_TAG}-2": "more"}

        assert await place.until(lambda: place.snapshots.seal(wanted.id, added)) is True
        seen = await place.snapshots.find(wanted.id)
        assert seen is not None
        assert (seen.tags, seen.ready) == ({**wanted.tags, **added}, True)
        await place.end(wanted)
        assert await place.snapshots.seal(wanted.id, added) is True

    async def test_one_of_a_disk_that_is_not_there_is_refused_by_name(
        self, place: SnapshotPlace
    ) -> None:
        nowhere = replace(place.wanted(), disk_id=ArmId(f"{place.disk_id}-x"))

        with pytest.raises(RefusedForNow, match=f"{place.disk_id}-x") as refused:
            await place.take(nowhere)
        assert refused.value.reason == "NotFound"


class DiskAccessFacts(Suite):
    """Gets *place*."""

    ports = (DiskAccesses,)

    async def test_one_is_listed_as_it_stands(self, place: SnapshotPlace) -> None:
        # A region of a hundred workers has dozens: none is too many to be listed.
        access = place.access(61)
        first = await place.accesses.ensure(place.region, access)
        before = await _listed(place)
        stands = await place.stand(61)
        again = await place.accesses.ensure(place.region, access)

        assert first.ready is False
        assert before.get(first.id.lower(), False) is False
        assert (again.id, again.ready) == (stands, True)
        assert (await _listed(place))[stands.lower()] is True

    async def test_they_are_listed_in_order_of_name(self, place: SnapshotPlace) -> None:
        await asyncio.gather(place.stand(10), place.stand(2))
        names = [*await _listed(place)]

        assert names == sorted(names)
        assert len(names) >= 2


async def _listed(place: SnapshotPlace) -> dict[str, bool]:
    found = await place.accesses.of_region(place.region)
    return {each.id.lower(): each.ready for each in found}
