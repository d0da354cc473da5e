"""A VM rewound to a point whose snapshot set is retained: what is made, swapped, kept and told."""

from __future__ import annotations

from dataclasses import replace as seen

import pytest
from msgspec.structs import replace

from tests.unit.restores.restoring_worlds import (
    RESTORE,
    cancel,
    restore,
    take_away,
    undo_what_is_left,
)
from tests.unit.restores.rewinding_worlds import (
    ATTACHED,
    WHERE,
    asked_for_the_word,
    check_put_back,
    disks_of_vm,
    next_backup,
    rewinding_world,
    rewound,
    run_confirmed,
    say_the_word,
)
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, VM, session_of
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.restore_session import RestoreKey
from vmbackup_operator.naming import ArmId


async def test_the_vm_gets_disks_made_of_the_retained_set_and_keeps_its_own_aside() -> None:
    world = await rewinding_world()
    before = disks_of_vm(world)
    await run_confirmed(world)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    disks = {each.disk: each for each in rewound(world).disks}
    assert disks_of_vm(world) == {position: each.disk_id for position, each in disks.items()}
    assert {position: each.replaced_disk_id.lower() for position, each in disks.items()} == {
        position: disk_id.lower() for position, disk_id in before.items()
    }
    assert {folded(each) for each in before.values()} <= world.loose.disks.keys()
    sources = {str(each.id): folded(each.source_id) for each in world.loose.copies.values()}
    for each in disks.values():
        assert folded(each.source_snapshot_id) in world.azure.snapshots
        assert sources[each.disk_id] == folded(each.source_snapshot_id)
        assert sources[each.snapshot_id] == folded(each.replaced_disk_id)


async def test_each_disk_is_attached_as_the_one_before_it_was() -> None:
    world = await rewinding_world()
    await run_confirmed(world)

    assert world.loose.attachment(VM, "0") == ATTACHED


async def test_the_vm_stands_still_from_before_its_snapshots_until_its_disks_are_swapped() -> None:
    world = await rewinding_world()
    await run_confirmed(world)

    steps = [each.split(" ")[0] for each in world.azure.order]
    assert steps == [
        "deallocate", "copy", "copy", "copy", "copy", "detach", "attach", "start",
    ]  # fmt: skip
    copied = [each for each in world.azure.order if each.startswith("copy")]
    assert ["/snapshots/" in each for each in copied] == [True, True, False, False]


async def test_a_vm_that_did_not_run_is_not_started() -> None:
    world = await rewinding_world()
    world.loose.powers[folded(VM)] = "stopped"
    await run_confirmed(world)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert world.loose.power(VM) == "deallocated"
    assert not [each for each in world.azure.order if each.startswith("start")]


async def test_nothing_is_swapped_without_the_word_however_long_it_takes() -> None:
    world = await rewinding_world()
    before = disks_of_vm(world)
    await asked_for_the_word(world)
    for word in ("", "true", f"{rewound(world).swap_token}0"):
        say_the_word(world, word)
        for _ in range(20):
            await world.look_again(RESTORE)
            world.clock.turn(3600)

    assert world.condition("SwapConfirmed", RESTORE).reason == "SwapNotConfirmed"
    assert f"vmbackup.dev/swap={rewound(world).swap_token}" in world.restored(RESTORE).message
    assert world.restored(RESTORE).attempt == 1
    assert disks_of_vm(world) == before
    assert len([each for each in world.events.told if each[1] == "SwapNotConfirmed"]) == 1


async def test_nobody_deletes_the_retained_snapshots_while_a_rewind_waits() -> None:
    world = await rewinding_world()
    await asked_for_the_word(world)
    world.start()  # what it knows is in the status

    assert all(world.ground.book.names(each.source_snapshot_id) for each in rewound(world).disks)


async def test_the_status_names_what_is_kept_and_what_the_next_backup_will_be() -> None:
    world = await rewinding_world()
    await run_confirmed(world)

    status = world.restored(RESTORE)
    assert rewound(world).next_backup.startswith("full, of a new chain: ")
    for each in rewound(world).disks:
        assert each.replaced_disk_id.rsplit("/", 1)[-1] in status.message
        assert each.snapshot_id.rsplit("/", 1)[-1] in status.message


async def test_the_next_backup_of_the_new_disks_is_a_full_of_a_new_chain() -> None:
    world = await rewinding_world()
    chains = {each.chain_id for each in world.status().disks}
    await run_confirmed(world)

    status = await next_backup(world)

    assert status.outcome == "Succeeded", status.message
    assert {each.reason for each in status.full_reads} == {"DiskReplaced"}
    assert not chains & {each.chain_id for each in status.disks}


async def test_only_the_disks_that_the_spec_names_are_swapped() -> None:
    world = await rewinding_world(3, disks=("0",))
    before = disks_of_vm(world)
    await run_confirmed(world)

    after = disks_of_vm(world)
    assert world.restored(RESTORE).outcome == "Succeeded"
    assert {position for position in before if before[position] != after[position]} == {"0"}


async def test_a_backup_of_the_vm_waits_for_the_end_of_a_rewind() -> None:
    world = await rewinding_world()
    await asked_for_the_word(world)
    again = ObjectKey("team", "nightly-2")
    world.sessions.put(session_of(again))
    for _ in range(5):
        await world.look_again(again)

    assert world.condition("Accepted", again).reason == "VirtualMachineBusy"
    assert "RestoreSession team/bring-back" in world.condition("Accepted", again).message
    say_the_word(world)
    await world.run(RESTORE)
    await world.run(again)
    assert world.status(again).outcome == "Succeeded"


async def test_a_rewind_waits_for_a_backup_of_its_vm() -> None:
    world = await rewinding_world()
    again = ObjectKey("team", "nightly-2")
    world.sessions.put(session_of(again))
    await world.run_until("SnapshotsReady", again)
    for _ in range(6):
        await world.look_again(RESTORE)

    assert world.condition("Accepted", RESTORE).reason == "VirtualMachineBusy"
    assert world.loose.power(VM) == "running"


async def cancelled_at(condition: str) -> World:
    world = await rewinding_world()
    if condition in {"SwapConfirmed", "DisksSwapped"}:
        await asked_for_the_word(world)
        say_the_word(world)
    await world.run_until(condition, RESTORE)
    cancel(world)
    return world


@pytest.mark.parametrize(
    "condition", ["VirtualMachineStopped", "SnapshotsReady", "DisksCreated", "SwapConfirmed"]
)
async def test_a_rewind_that_is_cancelled_leaves_the_vm_as_it_was(condition: str) -> None:
    world = await cancelled_at(condition)
    await world.run(RESTORE)

    check_put_back(world)


async def test_a_rewind_cancelled_between_detaching_and_attaching_gets_its_own_disks_back() -> None:
    world = await rewinding_world()
    await asked_for_the_word(world)
    say_the_word(world)
    for _ in range(40):
        await world.look_again(RESTORE)
        if "0" not in disks_of_vm(world):
            break
    cancel(world)
    assert set(disks_of_vm(world)) == {"os"}
    await world.run(RESTORE)

    check_put_back(world)


async def test_a_cancel_behind_the_swap_comes_too_late() -> None:
    world = await cancelled_at("DisksSwapped")
    await world.run(RESTORE)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert disks_of_vm(world) == {each.disk: each.disk_id for each in rewound(world).disks}
    assert len(world.loose.copies_of("snapshots")) == 2
    assert world.loose.power(VM) == "running"


async def test_a_vm_that_is_started_meanwhile_ends_the_rewind_and_keeps_its_disks() -> None:
    world = await rewinding_world()
    before = disks_of_vm(world)
    await asked_for_the_word(world)
    world.loose.powers[folded(VM)] = "running"
    say_the_word(world)
    await world.run(RESTORE)

    failed = world.condition("Failed", RESTORE)
    assert failed.reason == "VirtualMachineStarted"
    assert disks_of_vm(world) == before
    assert world.loose.copies == {}


async def test_a_copy_that_azure_gives_up_on_is_made_anew() -> None:
    world = await rewinding_world()
    await world.run_until("Accepted", RESTORE)
    world.loose.broken.add(folded(rewound(world).disks[0].disk_id))
    await run_confirmed(world)

    status = world.restored(RESTORE)
    assert status.outcome == "Succeeded", status.message
    assert [each.reason for each in status.errors] == ["CopyFailed"]


async def test_of_a_session_without_its_finalizer_the_vm_is_put_right() -> None:
    world = await rewinding_world()
    before = disks_of_vm(world)
    await asked_for_the_word(world)
    take_away(world)
    await undo_what_is_left(world)

    assert world.loose.copies == {}
    assert disks_of_vm(world) == before
    assert world.loose.power(VM) == "running"
    assert world.undo_records.stored == {}


async def test_a_session_made_again_goes_on_where_the_first_one_was() -> None:
    world = await rewinding_world()
    await asked_for_the_word(world)
    agreed = rewound(world)
    take_away(world)
    made = restore(world, mode="Rewind", target=WHERE)
    metadata = replace(made.metadata, uid="11111111-2222-4333-8444-555555555555")
    world.restores.put(replace(made, metadata=metadata))
    await run_confirmed(world)

    assert world.restored(RESTORE).outcome == "Succeeded"
    assert rewound(world).was_running
    assert {each.disk_id for each in rewound(world).disks} == {
        each.disk_id for each in agreed.disks
    }
    assert world.loose.power(VM) == "running"


async def test_a_rewind_is_not_done_once_more_under_the_name_of_an_earlier_one() -> None:
    world = await rewinding_world()
    await run_confirmed(world)
    after = disks_of_vm(world)
    made = restore(world, mode="Rewind", target=WHERE)
    del world.restores.stored[RESTORE.at]
    metadata = replace(made.metadata, uid="11111111-2222-4333-8444-555555555555")
    world.restores.put(replace(made, metadata=metadata))
    await world.run(RESTORE)

    assert world.condition("Failed", RESTORE).reason == "NameTaken"
    assert disks_of_vm(world) == after
    assert len(world.loose.copies) == 4


async def test_a_vm_that_was_rewound_can_be_rewound_again() -> None:
    world = await rewinding_world()
    await run_confirmed(world)
    first = disks_of_vm(world)
    again = RestoreKey("team", "once-more")
    world.restores.put(restore(world, again, mode="Rewind", target=WHERE))
    await world.run_until("DisksCreated", again)
    stored = world.restores.stored[again.at]
    agreed = stored.status.rewound
    assert agreed is not None
    said = replace(stored.metadata, annotations={"vmbackup.dev/swap": agreed.swap_token})
    world.restores.put(replace(stored, metadata=said))
    await world.run(again)

    assert world.restored(again).outcome == "Succeeded"
    assert {each.replaced_disk_id.lower() for each in agreed.disks} == {
        each.lower() for each in first.values()
    }
    assert world.status(KEY).outcome == "Succeeded"


async def test_a_vm_whose_own_disks_cannot_be_put_back_is_not_started_and_nothing_deleted() -> None:
    world = await rewinding_world()
    await asked_for_the_word(world)
    say_the_word(world)
    while "0" in disks_of_vm(world):
        await world.look_again(RESTORE)
    machine = world.azure.machines[folded(VM)]
    somebodys = seen(machine.disks[0], id=ArmId(f"{machine.disks[0].id}-other"), lun=0)
    world.azure.machines[folded(VM)] = seen(machine, disks=(*machine.disks, somebodys))
    cancel(world)
    await world.run(RESTORE, limit=1000)

    assert world.restored(RESTORE).outcome == "Cancelled"
    for condition in ("DisksPutBack", "VirtualMachineStarted", "RemainsRemoved"):
        assert world.condition(condition, RESTORE).reason == "GaveUp"
    assert world.loose.power(VM) == "deallocated"
    assert len(world.loose.copies) == 4

    world.azure.machines[folded(VM)] = machine
    await undo_what_is_left(world)
    check_put_back(world)
    for condition in ("DisksPutBack", "VirtualMachineStarted", "RemainsRemoved"):
        assert world.condition(condition, RESTORE).status == "True"
    assert world.restored(RESTORE).outcome == "Cancelled"


async def test_a_swap_counts_once_azure_has_ended_it() -> None:
    world = await rewinding_world()
    await asked_for_the_word(world)
    say_the_word(world)
    wanted = {each.disk: each.disk_id for each in rewound(world).disks}
    looks = 0
    while disks_of_vm(world) != wanted or world.azure.under_way(f"swap {folded(VM)}"):
        await world.look_again(RESTORE)
        world.start()  # it knows only what it finds
        looks += disks_of_vm(world) == wanted
        if world.azure.under_way(f"swap {folded(VM)}"):
            assert world.restored(RESTORE).restored is not None
            assert not world.restored(RESTORE).achieved
    assert looks > 1
