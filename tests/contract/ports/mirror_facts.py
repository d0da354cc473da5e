"""What the points that a cluster shows promise to the upkeep that makes their objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from tests.contract.ports.point_facts import WEB, PointPlace, settled
from tests.contract.ports.suites import Suite
from vmbackup_core.ids import RunId
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.seen import PointSeen
from vmbackup_operator.upkeep.ports import Mirrored, PointsToMirror


@dataclass(frozen=True)
class MirrorPlace:
    """A repository, its backups, and what is shown of it."""

    place: PointPlace
    mirror: PointsToMirror
    key: UserKey

    async def backed_up(self, vm: ArmId, hours: int) -> PointSeen:
        """Record a point of the VM, which was made so many hours after noon."""
        wanted = await self.place.committed()
        created_at = wanted.created_at + timedelta(hours=hours)
        return await self.place.record(
            replace(wanted, virtual_machine_id=vm, created_at=created_at)
        )

    async def pieces(self, shown: Mapping[RunId, str]) -> list[Mirrored]:
        """Return all pieces; each says where the next one begins."""
        pieces, after = list[Mirrored](), ""
        while True:
            pieces.append(await self.piece(shown, after))
            if pieces[-1].after is None:
                return pieces
            assert pieces[-1].after > after
            after = pieces[-1].after

    async def piece(self, shown: Mapping[RunId, str], after: str) -> Mirrored:
        return await settled(
            lambda: self.mirror.newest(self.place.repository, self.key, shown, after)
        )


def missing(pieces: list[Mirrored]) -> dict[RunId, PointSeen]:
    return {point.run_id: point for each in pieces for point in each.missing}


def newest(pieces: list[Mirrored]) -> set[RunId]:
    return {run for each in pieces for run in each.newest}


class MirrorFacts(Suite):
    """Gets *mirror_place*, where each piece is one VM."""

    ports = (PointsToMirror,)

    async def test_each_vms_points_are_told_of_as_sessions_see_them(
        self, mirror_place: MirrorPlace
    ) -> None:
        vms = [ArmId(f"{WEB}-{number}") for number in range(3)]
        points = [await mirror_place.backed_up(vm, hours) for vm in vms for hours in (1, 2)]

        pieces = await mirror_place.pieces({})

        assert len(pieces) >= len(vms)
        assert {run: missing(pieces)[run] for run in (each.run_id for each in points)} == {
            each.run_id: each for each in points
        }
        assert newest(pieces) == set(missing(pieces))

    async def test_what_is_shown_is_told_by_its_run_alone_and_what_comes_then_is_missing(
        self, mirror_place: MirrorPlace
    ) -> None:
        first = await mirror_place.backed_up(WEB, 1)
        shown = {run: point.virtual_machine_id for run, point in missing(
            await mirror_place.pieces({})).items()}  # fmt: skip

        before = await mirror_place.pieces(shown)
        second = await mirror_place.backed_up(WEB, 2)
        after = await mirror_place.pieces(shown | {RunId("f" * 32): WEB})

        assert first.run_id in newest(before)
        assert missing(before) == {}
        assert missing(after) == {second.run_id: second}
        assert RunId("f" * 32) not in newest(after)

    async def test_of_a_vm_the_newest_fourteen_are_told_of(self, mirror_place: MirrorPlace) -> None:
        vm = ArmId(f"{WEB}-{'often'}")
        runs = [(await mirror_place.backed_up(vm, hours)).run_id for hours in range(16)]

        found = newest(await mirror_place.pieces({}))

        assert [run in found for run in runs] == [False] * 2 + [True] * 14

    async def test_what_decides_about_all_of_the_newest_is_told(
        self, mirror_place: MirrorPlace
    ) -> None:
        vm = ArmId(f"{WEB}-judged")
        points = [await mirror_place.backed_up(vm, hours) for hours in (1, 2)]
        shown = {points[0].run_id: vm}

        pieces = await mirror_place.pieces(shown)

        facts = {each.run_id: each for piece in pieces for each in piece.facts}
        for point in points:
            told = facts[point.run_id]
            assert (told.created_at, told.stamp) == (point.created_at, point.stamp)
            assert told.group == ("team", "nightly", vm.lower())
            assert not told.is_hurt
