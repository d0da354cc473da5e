"""Disks that a session leaves out: which, why, where it is said, and what becomes of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.unit.backups.incremental_stories import SECOND, THIRD, back_up, kinds, reasons, told
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, machine, session_of
from vmbackup_core.ids import RunId
from vmbackup_operator.backups.excluding import MAX_WHY, excluded_disks
from vmbackup_operator.model.exclusions import ExcludedDisk, TagWanted
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.vm_description import VmDescription, excluded_in, with_excluded
from vmbackup_operator.sessions.seen import UnmanagedDisk, VirtualMachineSeen

SCRATCH = TagWanted("Backup", ("no", "never"))
LEFT_OUT = ExcludedDisk("0", "web-01-1", "it has the excluded tag Backup=no or never")


def tagged(*tags: dict[str, str]) -> VirtualMachineSeen:
    """Return a VM whose first disks have these tags, in the order of the VM, and no others any."""
    seen = machine()
    named = (*tags, *({} for _ in seen.disks[len(tags) :]))
    disks = tuple(replace(disk, tags=each) for disk, each in zip(seen.disks, named, strict=True))
    described = VmDescription("resource-manager", {"name": seen.name}).text
    return replace(seen, disks=disks, description=described)


def left_out(seen: VirtualMachineSeen, **spec: Any) -> dict[str, str]:
    return {each.disk: each.why for each in excluded_disks(session_of(**spec).spec, seen)}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {}),
        ({"exclude_data_disk_luns": (1, 7)}, {"1": "LUN 1 is excluded"}),
        (
            {"disks": "OSDiskOnly"},
            dict.fromkeys(("0", "1"), "only the OS disk is backed up"),
        ),
        ({"exclude_disk_tags": (SCRATCH,)}, {"0": LEFT_OUT.why}),
        (
            {"exclude_disk_tags": (TagWanted("BACKUP"),)},
            {"os": "it has the excluded tag BACKUP", "0": "it has the excluded tag BACKUP"},
        ),
        ({"exclude_disk_tags": (TagWanted("backup", ("No",)),)}, {}),
        (
            {"exclude_disk_tags": (SCRATCH,), "exclude_data_disk_luns": (1,)},
            {"0": LEFT_OUT.why, "1": "LUN 1 is excluded"},
        ),
    ],
    ids=["nothing", "a LUN", "OS disk only", "a value", "a name", "another case", "both"],
)
def test_a_disk_is_left_out_by_what_is_asked_for_and_that_says_why(
    spec: dict[str, Any], expected: dict[str, str]
) -> None:
    assert left_out(tagged({"backup": "yes"}, {"backup": "no"}), **spec) == expected


def with_unmanaged_disk() -> VirtualMachineSeen:
    """Return the VM with one more data disk, at LUN 9, which lies in a storage account."""
    return replace(tagged(), unmanaged=(UnmanagedDisk("old", 9),))


@pytest.mark.parametrize(
    ("spec", "taken"),
    [({"exclude_data_disk_luns": (9,)}, [None, 0, 1]), ({"disks": "OSDiskOnly"}, [None])],
    ids=["by its LUN", "OS disk only"],
)
async def test_a_vm_is_backed_up_whose_unmanaged_disk_is_left_out(
    spec: dict[str, Any], taken: list[int | None]
) -> None:
    world = World()
    world.add(with_unmanaged_disk())
    world.sessions.put(session_of(**spec))

    await world.run()

    status = world.status()
    assert status.outcome == "Succeeded", status.message
    assert ("9", "old") in [(each.disk, each.name) for each in status.excluded_disks]
    point = world.points.points[status.run_id or RunId("")]
    assert [disk.lun for disk in point.disks] == taken
    assert told(world, "UnknownLun") == []


@pytest.mark.parametrize("spec", [{}, {"exclude_data_disk_luns": (0,)}], ids=["none", "another"])
async def test_a_vm_is_refused_whose_unmanaged_disk_would_be_taken(spec: dict[str, Any]) -> None:
    world = World()
    world.add(with_unmanaged_disk())
    world.sessions.put(session_of(**spec))

    await world.run()

    failed = world.condition("Failed")
    assert failed.reason == "DiskNotSupported"
    assert "LUN 9" in failed.message
    assert world.azure.snapshots == {}


def test_a_long_tag_is_shown_as_far_as_the_status_has_room() -> None:
    long = TagWanted("backup", tuple(f"{number}" * 256 for number in range(10)))

    (why,) = left_out(tagged({}, {"backup": "0" * 256}), exclude_disk_tags=(long,)).values()

    assert len(why) == MAX_WHY


async def test_what_is_left_out_is_said_in_the_status_the_point_and_its_object() -> None:
    world = World()
    world.add(tagged({}, {"backup": "no"}))
    world.sessions.put(session_of(exclude_disk_tags=(SCRATCH,)))

    await world.run()

    status = world.status()
    assert status.excluded_disks == (LEFT_OUT,)
    assert world.condition("Accepted").message.endswith("; 1 disk left out")
    point = world.points.points[status.run_id or RunId("")]
    assert [disk.lun for disk in point.disks] == [None, 1]
    assert excluded_in(point.vm_description) == (LEFT_OUT,)
    assert msgspec.json.decode(point.vm_description)["virtualMachine"] == {"name": "web-01"}


async def test_a_session_that_adopts_its_point_says_what_that_leaves_out() -> None:
    world = World()
    world.add(tagged({}, {"backup": "no"}))
    world.sessions.put(session_of(exclude_disk_tags=(SCRATCH,)))
    await world.run()
    ended = world.sessions.stored.pop(KEY)
    world.sessions.put(session_of(uid=ended.metadata.uid, exclude_disk_tags=(SCRATCH,)))
    await world.run()

    assert world.condition("Accepted").message == "the recovery point of this run exists already"
    assert world.status().excluded_disks == (LEFT_OUT,)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"disks": "OSDiskOnly"}, "holds the excluded data disk at LUN 0, holds the excluded data"),
        ({"exclude_disk_tags": (TagWanted("role", ("os",)),)}, "it holds the excluded OS disk"),
    ],
    ids=["OS disk only", "the OS disk's tag"],
)
async def test_an_adopted_point_that_holds_what_is_excluded_says_so(
    spec: dict[str, Any], said: str
) -> None:
    world = World()
    world.add(tagged({"role": "os"}))
    world.sessions.put(session_of())
    await world.run()
    ended = world.sessions.stored.pop(KEY)
    world.sessions.put(session_of(uid=ended.metadata.uid, **spec))
    await world.run()

    assert said in world.condition("Accepted").message


async def test_a_vm_whose_disks_all_have_the_tag_has_nothing_to_back_up() -> None:
    world = World()
    world.add(tagged(*[{"backup": "no"}] * 3))
    world.sessions.put(session_of(exclude_disk_tags=(SCRATCH,)))

    await world.run()

    assert world.condition("Accepted").reason == "NothingToBackUp"


def chains(world: World, key: ObjectKey) -> dict[str, str | None]:
    return {each.disk: each.chain_id for each in world.status(key).disks}


@pytest.mark.parametrize(
    "spec",
    [
        {"exclude_data_disk_luns": (0,)},
        {"exclude_disk_tags": (SCRATCH,)},
        {"disks": "OSDiskOnly"},
    ],
    ids=["by LUN", "by tag", "OS disk only"],
)
async def test_a_change_of_exclusions_leaves_the_chains_of_the_other_disks_alone(
    spec: dict[str, Any],
) -> None:
    world = World()
    world.add(tagged({}, {"backup": "no"}))
    world.sessions.put(session_of())
    await world.run()
    await back_up(world, SECOND, **spec)
    await back_up(world, THIRD)

    first, second, third = (chains(world, key) for key in (KEY, SECOND, THIRD))
    assert "0" not in second
    assert set(kinds(world, SECOND).values()) == {"incremental"}
    assert {disk: first[disk] for disk in second} == second
    assert third == first
    assert {kinds(world, THIRD)[disk] for disk in second} == {"incremental"}
    assert not reasons(world, THIRD).keys() & second.keys()


@pytest.mark.parametrize("text", ['{"vm": 1}', "no JSON", '{"excludedDisks": 7}'])
def test_a_description_of_another_form_is_left_as_it_is(text: str) -> None:
    assert with_excluded(text, (LEFT_OUT,)) == text
    assert excluded_in(text) == ()


def test_a_description_that_is_too_long_still_says_what_was_left_out() -> None:
    long = VmDescription("resource-manager", {"name": "x" * 300_000})

    assert excluded_in(with_excluded(long.text, (LEFT_OUT,))) == (LEFT_OUT,)
