"""Policies that select VMs by their tags: what is backed up, found, left, and said of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import AWAY
from tests.worlds.memory_policies import KEY, PolicyWorld, fleet, policy
from tests.worlds.samples import FOREIGN_SUBSCRIPTION, FOREIGN_VM, SETTINGS_ACROSS, VM
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    Exclusion,
    MachinesShown,
    Selector,
    VirtualMachines,
)
from vmbackup_operator.model.exclusions import TagWanted
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.naming import ArmId, subscription_of
from vmbackup_operator.reconciling.outcome import Waiting

SUBSCRIPTION = f"/subscriptions/{subscription_of(VM)}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/prod"
NIGHTLY = TagWanted("backup", ("nightly",))


def selecting(
    *scopes: str, ids: tuple[str, ...] = (), cron: str | None = "0 1 * * *", name: str = KEY.name
) -> BackupPolicy:
    """Return a policy for what is tagged ``backup: nightly`` and not ``skip``."""
    selector = Selector(scopes or (SUBSCRIPTION,), (NIGHTLY,), Exclusion((TagWanted("skip"),)))
    made = policy(cron=cron, virtual_machines=VirtualMachines(ids, selector))
    return replace(made, metadata=replace(made.metadata, name=name, uid=name))


def tag(world: PolicyWorld, *vms: ArmId, **tags: str) -> None:
    """Have *vms* there, with *tags*."""
    world.machines.there |= set(vms)
    for vm_id in vms:
        world.machines.tags[vm_id] = tags


def shown(world: PolicyWorld) -> MachinesShown:
    found = world.policy.status.virtual_machines
    assert found is not None
    return found


def told(world: PolicyWorld, reason: str) -> list[tuple[str, str]]:
    """Return the type and the message, in small letters, of each Event of *reason*."""
    return [(kind, message.lower()) for kind, said, message in world.events.told if said == reason]


def names(world: PolicyWorld) -> list[str]:
    return [name.lower() for name in shown(world).names]


@pytest.fixture
def tagged() -> PolicyWorld:
    """Three VMs of which two are meant, and a policy that selects them; its slot is an hour ago."""
    world = PolicyWorld()
    first, second, third = fleet(3)
    tag(world, first, second, BACKUP="nightly")
    tag(world, third, backup="Nightly")
    world.put(selecting())
    return world


async def until_discovery(world: PolicyWorld) -> None:
    """Turn the clock to the policy's next look, and look."""
    again = await world.settle()
    assert isinstance(again, Waiting)
    world.clock.turn(again.seconds)
    await world.settle()


async def test_those_with_the_tag_are_backed_up_and_shown(tagged: PolicyWorld) -> None:
    await tagged.settle()

    assert tagged.sessions.of_outcome(None) == ["VM-01", "VM-02"]
    assert names(tagged) == ["prod/vm-01", "prod/vm-02"]
    assert (shown(tagged).count, shown(tagged).unprotected_count) == (2, 0)
    assert shown(tagged).found == ()
    assert tagged.reason() == ("True", "Ready", "")
    assert tagged.policy.status.occasion is not None
    assert tagged.policy.status.occasion.ended


async def test_vms_that_are_named_and_selected_are_backed_up_once(tagged: PolicyWorld) -> None:
    tag(tagged, VM)
    tagged.put(selecting(ids=(VM, fleet(1)[0])))
    await tagged.settle()

    assert tagged.sessions.of_outcome(None) == ["VM-02", "vm-01", "web-01"]
    assert shown(tagged).count == 3


async def test_a_vm_that_is_tagged_later_is_found_within_the_interval_and_told_once(
    tagged: PolicyWorld,
) -> None:
    await tagged.settle()
    tagged.sessions.end()
    await tagged.settle()
    at = tagged.clock.now()
    tag(tagged, fleet(3)[2], backup="nightly")
    await until_discovery(tagged)

    assert tagged.clock.now() - at <= timedelta(hours=1)
    (found,) = shown(tagged).found
    assert found.name.lower() == "prod/vm-03"
    assert found.since == tagged.clock.now()
    assert names(tagged)[-1] == "prod/vm-03"
    assert len(tagged.sessions.created) == 2  # its turn comes with the next slot
    for _ in range(3):
        await until_discovery(tagged)
    said = told(tagged, "VirtualMachinesFound")
    assert said == [("Normal", "backed up from now on: prod/vm-03")]
    assert shown(tagged).found == (found,)


async def test_a_restart_makes_no_vm_new(tagged: PolicyWorld) -> None:
    await tagged.settle()
    tagged.start()
    await tagged.settle()

    assert not told(tagged, "VirtualMachinesFound")


@pytest.mark.parametrize("how", ["lost its tag", "excluded", "deleted", "moved"])
async def test_a_vm_that_is_meant_no_more_is_told_and_not_backed_up_again(
    tagged: PolicyWorld, how: str
) -> None:
    await tagged.settle()
    tagged.sessions.end()
    first = fleet(1)[0]
    match how:
        case "lost its tag":
            tag(tagged, first, backup="weekly")
        case "excluded":
            tag(tagged, first, backup="nightly", Skip="")
        case _:
            tagged.machines.there.discard(first)
    if how == "moved":
        tag(tagged, ArmId(first.replace("/prod/", "/moved/")), backup="nightly")
    await until_discovery(tagged)

    ((kind, message),) = told(tagged, "VirtualMachinesLeft")
    assert kind == "Warning"
    assert "prod/vm-01." in message
    assert "recovery points stay" in message
    expected = ["moved/vm-01"] if how == "moved" else []
    assert [each.name.lower() for each in shown(tagged).found] == expected
    assert "prod/vm-01" not in names(tagged)
    await tagged.pass_time(hours=25)
    ended = tagged.sessions.of_outcome("Succeeded")
    assert ended.count("VM-01") == (2 if how == "moved" else 1)
    assert ended.count("VM-02") == 2


async def test_an_idle_day_costs_a_list_for_each_interval_however_many_policies() -> None:
    world = PolicyWorld()
    tag(world, *fleet(5), backup="nightly")
    every = [f"policy-{number}" for number in range(3)]
    for name in every:
        world.put(selecting(cron=None, name=name))
    for _ in range(24):
        waits = []
        for name in every:
            answer = await world.look(ObjectKey(KEY.namespace, name))
            assert isinstance(answer, Waiting)
            waits.append(answer.seconds)
        written = [world.policies.stored[ObjectKey(KEY.namespace, name)] for name in every]
        world.clock.turn(min(waits))

    assert world.machines.looks == 24
    versions = {each.metadata.resource_version for each in written}
    await world.look(ObjectKey(KEY.namespace, every[0]))
    again = {each.metadata.resource_version for each in world.policies.stored.values()}
    assert again == versions


async def test_a_policy_without_selector_lists_no_more_than_before(idle: PolicyWorld) -> None:
    again = await idle.look()

    assert isinstance(again, Waiting)
    assert again.seconds == 24 * 3600
    assert shown(idle) == MachinesShown(1, 0, ("prod/web-01",))


async def test_what_cannot_be_backed_up_is_named_with_the_reason_and_the_others_go_on(
    tagged: PolicyWorld,
) -> None:
    tagged.machines.ephemeral.add(fleet(1)[0])
    await tagged.settle()

    assert tagged.sessions.of_outcome(None) == ["VM-02"]
    (lacking,) = shown(tagged).unprotected
    assert (lacking.name.lower(), lacking.reason) == ("prod/vm-01", "DiskNotSupported")
    assert "is ephemeral" in lacking.message
    assert (shown(tagged).count, shown(tagged).unprotected_count) == (1, 1)
    # Nobody named it: the policy does what it is asked to.
    assert tagged.reason()[:2] == ("True", "DiskNotSupported")
    tagged.put(selecting(ids=(fleet(1)[0],)))
    await tagged.settle()
    assert tagged.reason()[:2] == ("False", "DiskNotSupported")


async def test_those_that_are_named_and_cannot_be_backed_up_are_listed_too() -> None:
    world = PolicyWorld()
    foreign = ArmId(VM.replace(subscription_of(VM), FOREIGN_SUBSCRIPTION))
    world.put(policy(*fleet(2), foreign))
    world.machines.there.discard(fleet(1)[0])
    await world.settle()

    reasons = {each.name: each.reason for each in shown(world).unprotected}
    assert reasons == {
        "prod/vm-01": "VirtualMachineNotFound",
        "prod/web-01": "CrossSubscriptionRefused",
    }
    assert shown(world).names == ("prod/vm-02",)


async def test_a_vm_of_another_subscription_is_backed_up_where_its_data_may_cross() -> None:
    world = PolicyWorld(SETTINGS_ACROSS)
    tag(world, FOREIGN_VM, backup="nightly")
    world.put(selecting(f"/subscriptions/{FOREIGN_SUBSCRIPTION}"))
    world.elsewhere.refused[AWAY] = "RegionEnvironment away says crossSubscriptionExport: Refuse"
    await world.settle()

    (lacking,) = shown(world).unprotected
    assert lacking.reason == "CrossSubscriptionRefused"
    assert "crossSubscriptionExport: Refuse" in lacking.message
    # Nobody named it: the policy does what it is asked to.
    assert world.reason()[:2] == ("True", "CrossSubscriptionRefused")
    assert world.sessions.of_outcome(None) == []

    world.put(policy(FOREIGN_VM))
    await world.settle()
    assert world.reason()[:2] == ("False", "CrossSubscriptionRefused")

    world.elsewhere.refused.clear()
    world.put(selecting(f"/subscriptions/{FOREIGN_SUBSCRIPTION}"))
    await world.settle()
    assert world.sessions.of_outcome(None) == ["BRANCH-01"]


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ("/subscriptions/33333333-3333-4333-8333-333333333333", "ScopeNotAllowed"),
        (f"/subscriptions/{FOREIGN_SUBSCRIPTION}", "CrossSubscriptionRefused"),
    ],
    ids=["outside the tenancy", "another subscription"],
)
async def test_a_scope_that_may_not_be_named_is_told_before_azure_is_asked(
    tagged: PolicyWorld, scope: str, reason: str
) -> None:
    tagged.put(selecting(scope))
    await tagged.settle()

    assert tagged.machines.looks == 0
    status, said, message = tagged.reason()
    assert (status, said) == ("False", reason)
    assert scope in message
    tagged.put(selecting(scope, GROUP))
    await tagged.settle()
    assert names(tagged) == ["prod/vm-01", "prod/vm-02"]


async def test_a_namespace_may_not_select_in_more_than_it_may_back_up(tagged: PolicyWorld) -> None:
    theirs = ObjectKey("poor", KEY.name)
    wide = selecting()
    tagged.put(replace(wide, metadata=replace(wide.metadata, namespace="poor")))
    repository = next(iter(tagged.repositories.stored.values()))
    metadata = replace(repository.metadata, namespace="poor")
    tagged.repositories.put(replace(repository, metadata=metadata))
    await tagged.look(theirs)

    said = next(
        each for each in tagged.policies.stored[theirs].status.conditions if each.type == "Ready"
    )
    assert said.reason == "ScopeNotAllowed"
    assert tagged.machines.looks == 0


async def test_a_selector_that_meets_nothing_says_so_and_misses_no_slot(
    tagged: PolicyWorld,
) -> None:
    tagged.machines.tags.clear()
    await tagged.settle()

    assert tagged.reason()[:2] == ("True", "NothingSelected")
    assert shown(tagged).count == 0
    await tagged.pass_time(hours=25)
    assert tagged.policy.status.missed_slots == 0
    assert not tagged.sessions.created


async def test_no_slot_is_over_before_azure_has_told_who_is_meant(tagged: PolicyWorld) -> None:
    tag(tagged, VM)
    tagged.put(selecting(ids=(VM,), cron="30 1 * * *"))
    tagged.machines.trouble = TransientError("503 from Azure")
    with pytest.raises(TransientError):
        await tagged.settle()
    assert tagged.policy.status.virtual_machines is None
    assert not tagged.sessions.created
    tagged.machines.trouble = None
    tagged.clock.turn(60)
    await tagged.settle()

    assert tagged.sessions.of_outcome(None) == ["VM-01", "VM-02", "web-01"]
    assert not told(tagged, "VirtualMachinesFound")


async def test_in_azures_bad_hour_those_that_were_meant_before_are_backed_up(
    tagged: PolicyWorld,
) -> None:
    await tagged.settle()
    tagged.sessions.end()
    await tagged.settle()
    next_start = tagged.policy.status.next_start
    assert next_start is not None
    tagged.machines.trouble = TransientError("503 from Azure")
    tagged.clock.turn((next_start - tagged.clock.now()).total_seconds())
    with pytest.raises(TransientError):
        await tagged.settle()

    assert tagged.sessions.of_outcome(None) == ["VM-01", "VM-02"]
    assert names(tagged) == ["prod/vm-01", "prod/vm-02"]


async def test_a_reason_that_is_no_word_or_too_long_is_no_lost_status() -> None:
    world = PolicyWorld()
    world.put(policy(VM))
    refusal = "x" * 2000
    world.machines.trouble = PermanentError(refusal, reason="some.code-of/Azure" * 9)
    await world.settle()

    (lacking,) = shown(world).unprotected
    assert lacking.reason == "Unnamed"
    assert len(lacking.message) == 256


async def test_a_scope_that_azure_refuses_takes_no_vm_out_of_the_status(
    tagged: PolicyWorld,
) -> None:
    await tagged.settle()
    tagged.machines.trouble = PermanentError("no such subscription", reason="NotAuthorized")
    await until_discovery(tagged)

    assert tagged.reason()[:2] == ("False", "NotAuthorized")
    assert names(tagged) == ["prod/vm-01", "prod/vm-02"]
    assert not told(tagged, "VirtualMachinesLeft")


async def test_a_vm_of_two_selectors_has_sessions_of_both_and_both_say_so(
    tagged: PolicyWorld,
) -> None:
    tagged.put(selecting(GROUP, cron=None, name="weekly"))
    await tagged.look(ObjectKey(KEY.namespace, "weekly"))
    await tagged.settle()

    status, reason, message = tagged.reason()
    assert (status, reason) == ("True", "SharedVirtualMachine")
    assert "vm-01 is in policy weekly too" in message.lower()


async def test_of_a_large_fleet_all_are_backed_up_and_the_first_names_are_shown() -> None:
    world = PolicyWorld()
    tag(world, *fleet(300), backup="nightly")
    world.put(selecting(cron=None))
    await world.settle()
    assert shown(world).count == 300
    assert len(shown(world).names) == 200

    tag(world, ArmId(VM.replace("web-01", "aa-01")), backup="nightly")
    await until_discovery(world)

    assert shown(world).count == 301
    # Behind the last name that there was room for, old and new can't be told apart.
    assert [each.name.lower() for each in shown(world).found] == ["prod/aa-01"]
