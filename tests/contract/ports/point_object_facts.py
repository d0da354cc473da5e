"""What RecoveryPoint objects promise to the session that makes one, and to upkeep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace as said
from typing import Protocol

from msgspec.structs import replace

from tests.contract.ports.object_facts import NOON
from tests.contract.ports.session_facts import VM
from tests.contract.ports.suites import Suite
from tests.worlds.memory_azure import APPLIANCE
from vmbackup_core.ids import CommitSlot, RunId
from vmbackup_operator.backups.retaining import ports as retaining
from vmbackup_operator.model.metadata import APPLIANCE_LABEL, Metadata, ObjectKey
from vmbackup_operator.model.recovery_point import (
    Kept,
    RecoveryPoint,
    RecoveryPointDisk,
    RecoveryPointSpec,
    RecoveryPointStatus,
)
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import recovery_point_name
from vmbackup_operator.sessions import ports as sessions
from vmbackup_operator.upkeep import ports as upkeep

RUN = RunId("0" * 32)
NAME = recovery_point_name("web-01", NOON, RUN)

Find = Callable[[ObjectKey], Awaitable[RecoveryPoint | None]]


class MirrorObjects(sessions.RecoveryPointObjects, upkeep.PointObjects, Protocol):
    """Who keeps RecoveryPoint objects keeps both ports."""


class PointObjectFacts(Suite):
    """Gets *stored*, *namespace*, *find* and *half_made*.

    That is the object as somebody else reads it, and what makes one without its status.
    """

    ports = (sessions.RecoveryPointObjects, upkeep.PointObjects, retaining.SetObjects)

    async def test_one_is_mirrored_once_with_its_columns(
        self,
        stored: sessions.RecoveryPointObjects,
        namespace: str,
        find: Find,
    ) -> None:
        point = recovery_point(namespace)
        await stored.ensure(point)
        first = await find(point.metadata.key)
        await stored.ensure(replace(point, spec=replace(point.spec, virtual_machine_name="other")))

        assert first is not None
        assert first.spec == point.spec
        assert (first.status.size, first.status.stored) == ("32.0 GiB", "310 MiB")
        assert await find(point.metadata.key) == first
        assert await stored.find(point.metadata.key) == first

    async def test_what_is_not_there_is_not_found(
        self, stored: sessions.RecoveryPointObjects, namespace: str
    ) -> None:
        assert await stored.find(ObjectKey(namespace, "none")) is None

    async def test_those_of_this_appliance_are_listed_and_may_go(
        self, stored: MirrorObjects, namespace: str, find: Find
    ) -> None:
        """Another appliance shows what it sees itself."""
        ours = recovery_point(namespace)
        theirs = recovery_point(namespace, "web-01-2", appliance="else")
        for each in (ours, theirs):
            await stored.ensure(each)

        (found,) = await stored.made_by_us(namespace)
        assert (found.key, found.run, found.virtual_machine_id) == (ours.metadata.key, RUN, VM)
        assert found.repository == ObjectKey(namespace, "west")
        assert (found.named, found.whole) == (True, True)

        await stored.remove(said(found, uid="another"))
        assert await find(ours.metadata.key) is not None
        await stored.remove(found)
        await stored.remove(found)
        assert await find(ours.metadata.key) is None
        assert await find(theirs.metadata.key) is not None

    async def test_that_of_a_run_is_dropped_and_no_other(
        self, stored: sessions.RecoveryPointObjects, namespace: str, find: Find
    ) -> None:
        point = recovery_point(namespace)
        await stored.ensure(point)

        await stored.drop(point.metadata.key, RunId("1" * 32))
        assert await find(point.metadata.key) is not None
        await stored.drop(point.metadata.key, RUN)
        await stored.drop(point.metadata.key, RUN)
        assert await find(point.metadata.key) is None

    async def test_one_says_why_its_point_is_kept(
        self, stored: MirrorObjects, namespace: str, find: Find
    ) -> None:
        first, then = Kept("last 7, daily 14", NOON), Kept("daily 14")
        point = recovery_point(namespace)
        status = replace(point.status, kept_because=first.because, kept_until=first.until)
        await stored.ensure(replace(point, status=status))

        (before,) = await stored.made_by_us(namespace)
        await stored.show(said(before, uid="another"), then)
        (untouched,) = await stored.made_by_us(namespace)
        await stored.show(before, then)
        (after,) = await stored.made_by_us(namespace)
        shown = await find(point.metadata.key)
        await stored.remove(after)
        await stored.show(after, first)

        assert (before.kept, untouched.kept, after.kept) == (first, first, then)
        assert shown is not None
        assert (shown.status.size, shown.status.kept) == ("32.0 GiB", then)
        assert await find(point.metadata.key) is None

    async def test_one_of_a_run_says_why_its_point_is_kept_and_no_other_does(
        self, stored: MirrorObjects, namespace: str
    ) -> None:
        point, kept = recovery_point(namespace), Kept("last 7", NOON)
        await stored.ensure(point)

        await stored.say_kept(point.metadata.key, RunId("1" * 32), kept)
        (before,) = await stored.made_by_us(namespace)
        await stored.say_kept(point.metadata.key, RUN, kept)
        (after,) = await stored.made_by_us(namespace)
        await stored.say_kept(ObjectKey(namespace, "none"), RUN, kept)

        assert (before.kept, after.kept) == (Kept(), kept)

    async def test_one_by_another_name_is_told_from_the_points_own(
        self, stored: MirrorObjects, namespace: str
    ) -> None:
        await stored.ensure(recovery_point(namespace, "mine"))

        (found,) = await stored.made_by_us(namespace)

        assert not found.named

    async def test_one_that_a_crash_left_without_columns_is_made_whole(
        self,
        stored: MirrorObjects,
        namespace: str,
        half_made: Callable[[RecoveryPoint], Awaitable[RecoveryPoint]],
    ) -> None:
        point = recovery_point(namespace)
        await half_made(point)

        before = await stored.made_by_us(namespace)
        await stored.ensure(point)
        after = await stored.made_by_us(namespace)

        assert [each.whole for each in (*before, *after)] == [False, True]


def recovery_point(
    namespace: str, name: str = NAME, *, appliance: str = APPLIANCE
) -> RecoveryPoint:
    spec = RecoveryPointSpec(
        repository_ref=ObjectReference("west"),
        run_id=RUN,
        virtual_machine_id=VM,
        virtual_machine_name="web-01",
        created_at=NOON,
        type="Backup",
        disks=(RecoveryPointDisk("web-01-os", 32 * 1024**3, CommitSlot(1)),),
        size_bytes=32 * 1024**3,
        stored_bytes=325_058_560,
    )
    labels = {APPLIANCE_LABEL: appliance}
    return RecoveryPoint(
        Metadata(name, namespace, labels=labels), spec, RecoveryPointStatus(appliance_id=appliance)
    )
