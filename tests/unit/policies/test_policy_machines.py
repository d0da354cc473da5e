"""Which VMs are there: how often Azure is asked, and what is said of those that policies name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.worlds.memory_policies import KEY, PolicyWorld, fleet, policy
from tests.worlds.samples import VM
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId
from vmbackup_operator.policies.ports import MachineListed, VirtualMachineLists
from vmbackup_operator.policies.presence import Presence
from vmbackup_operator.reconciling.outcome import Waiting


def called(name: str, *vms: ArmId, namespace: str = KEY.namespace) -> BackupPolicy:
    made = policy(*vms, cron=None)
    return replace(made, metadata=replace(made.metadata, name=name, namespace=namespace, uid=name))


async def test_a_hundred_vms_of_three_policies_cost_one_list_in_five_minutes(
    world: PolicyWorld,
) -> None:
    for number in range(3):
        world.put(called(f"policy-{number}", *fleet(100)))
    for _ in range(20):
        for number in range(3):
            await world.look(ObjectKey(KEY.namespace, f"policy-{number}"))
        world.clock.turn(15)

    assert world.machines.looks == 1
    await world.look(ObjectKey(KEY.namespace, "policy-0"))
    assert world.machines.looks == 2


async def test_fifty_vms_that_are_gone_cost_a_list_a_minute(world: PolicyWorld) -> None:
    world.put(policy(*fleet(50)))
    world.machines.there.clear()
    for _ in range(80):
        await world.settle()
        world.clock.turn(15)

    assert world.machines.looks == 20
    assert world.reason()[1] == "VirtualMachineNotFound"


async def test_a_vm_that_is_made_meanwhile_is_found_within_a_minute(world: PolicyWorld) -> None:
    world.put(policy(VM, cron=None))
    world.machines.there.clear()
    await world.settle()
    assert world.reason()[1] == "VirtualMachineNotFound"
    world.machines.there.add(VM)
    world.clock.turn(60)
    await world.settle()

    assert world.reason()[1] == "Ready"


async def test_a_policy_applied_right_behind_its_vm_finds_it_at_once(world: PolicyWorld) -> None:
    world.machines.there.discard(VM)
    world.put(called("elder", *fleet(3)))
    await world.look(ObjectKey(KEY.namespace, "elder"))
    world.clock.turn(1)
    world.machines.there.add(VM)
    world.put(policy(VM, cron=None))
    await world.settle()

    assert world.reason()[1] == "Ready"


async def test_a_trigger_given_right_behind_the_vm_backs_it_up_at_once(world: PolicyWorld) -> None:
    world.put(policy(VM, cron=None))
    world.machines.there.clear()
    await world.settle()
    assert world.reason()[1] == "VirtualMachineNotFound"
    world.clock.turn(1)
    world.machines.there.add(VM)
    world.trigger("1")
    await world.settle()

    assert world.reason()[1] == "Ready"
    assert len(world.sessions.stored) == 1


async def test_a_group_that_is_asked_for_by_many_at_once_is_listed_once(
    world: PolicyWorld,
) -> None:
    world.machines.there.add(VM)

    class Slowly(VirtualMachineLists):
        @override
        async def of_group(
            self, subscription_id: str, resource_group: str
        ) -> Sequence[MachineListed]:
            await asyncio.sleep(0)
            return await world.machines.of_group(subscription_id, resource_group)

        @override
        async def of_subscription(self, subscription_id: str) -> Sequence[MachineListed]:
            await asyncio.sleep(0)
            return await world.machines.of_subscription(subscription_id)

    presence = Presence(world.clock, Slowly(), interval_s=3600)

    found = await asyncio.gather(*(presence.find(VM) for _ in range(20)))

    assert None not in found
    assert world.machines.looks == 1


@pytest.mark.parametrize(
    "trouble",
    [TransientError("503 from Azure"), PermanentError("may not list", reason="NotAuthorized")],
    ids=["passing", "final"],
)
async def test_a_group_that_refuses_is_asked_once_for_all_vms(
    world: PolicyWorld, trouble: Exception
) -> None:
    world.put(policy(*fleet(100)))
    world.machines.trouble = trouble
    if isinstance(trouble, TransientError):
        with pytest.raises(TransientError):
            await world.look()
    else:
        await world.look()

    assert world.machines.looks == 1


async def test_a_lun_that_no_vm_has_is_named_and_one_that_some_lack_is_not(
    world: PolicyWorld,
) -> None:
    world.put(policy(VM, exclude_data_disk_luns=(1, 7)))
    await world.settle()

    status, reason, message = world.reason()
    assert (status, reason) == ("True", "UnknownLun")
    assert message.endswith("data disk at LUN 7")
    assert len(world.sessions.created) == 1


async def test_a_vm_of_two_policies_is_named_in_both_and_foreign_namespaces_are_not_told_of(
    world: PolicyWorld,
) -> None:
    world.put(called("weekly", VM, fleet(1)[0]))
    world.put(called("theirs", VM, namespace="elsewhere"))
    for key in (ObjectKey(KEY.namespace, "weekly"), ObjectKey("elsewhere", "theirs")):
        await world.look(key)
    await world.settle()

    status, reason, message = world.reason()
    assert (status, reason) == ("True", "SharedVirtualMachine")
    assert message.startswith("web-01 is in policy weekly too:")
    assert "theirs" not in message
    del world.policies.stored[ObjectKey(KEY.namespace, "weekly")]
    await world.look(ObjectKey(KEY.namespace, "weekly"))
    await world.settle()
    assert world.reason()[1] == "Ready"


async def test_what_is_only_worth_a_word_hides_nothing_that_is_amiss(world: PolicyWorld) -> None:
    world.put(policy(VM, exclude_data_disk_luns=(7,)))
    world.edit(suspend=True)
    await world.settle()
    assert world.reason()[1] == "Suspended"

    world.repositories.stored.clear()
    await world.settle()

    assert world.reason()[:2] == ("False", "RepositoryNotFound")


async def test_a_policy_of_which_nothing_is_due_asks_azure_nothing_until_its_slot(
    world: PolicyWorld,
) -> None:
    await world.settle()
    world.sessions.end()
    until_slot = await world.settle()
    next_start = world.policy.status.next_start
    assert isinstance(until_slot, Waiting)
    assert next_start is not None
    assert until_slot.seconds == (next_start - world.clock.now()).total_seconds()

    world.machines.there.clear()
    world.clock.turn(until_slot.seconds)
    await world.settle()

    assert world.reason()[1] == "VirtualMachineNotFound"


async def test_without_a_slot_a_vm_that_went_is_missed_within_a_day(idle: PolicyWorld) -> None:
    again = await idle.look()
    assert isinstance(again, Waiting)
    assert again.seconds == 24 * 3600

    idle.machines.there.clear()
    idle.clock.turn(again.seconds)
    await idle.look()

    assert idle.reason()[1] == "VirtualMachineNotFound"
