"""Sessions that may not or cannot be run: a condition that says so, and nothing made in Azure."""

from __future__ import annotations

from msgspec.structs import replace

from tests.worlds.memory_azure import SUBSCRIPTION
from tests.worlds.memory_cluster import ready_repository, stalled_repository
from tests.worlds.memory_world import World
from tests.worlds.samples import FOREIGN_SUBSCRIPTION, KEY, VM, session_of
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.naming import ArmId

GONE = ArmId(VM.replace("web-01", "gone-01"))
FOREIGN = ArmId(VM.replace(SUBSCRIPTION, FOREIGN_SUBSCRIPTION))


def made(world: World) -> list[str]:
    """Return what was made; the intake looks at the home region whatever sessions there are."""
    return [what for what in world.azure.order if not what.startswith(("region west", "queue"))]


async def ended(world: World, key: ObjectKey = KEY) -> tuple[str, str]:
    await world.run(key)
    failed = world.condition("Failed", key)
    assert world.azure.snapshots == {}
    assert world.azure.workers == {}
    assert world.sessions.stored[key].metadata.finalizers == ()
    return failed.reason, failed.message


async def test_a_vm_that_does_not_exist_is_named() -> None:
    world = World()
    world.sessions.put(session_of(vm_id=GONE))

    reason, message = await ended(world)

    assert reason == "VirtualMachineNotFound"
    assert GONE in message


async def test_a_vm_outside_the_namespaces_scopes_is_refused() -> None:
    world = World()
    key = ObjectKey("poor", "mine")
    world.sessions.put(session_of(key))

    reason, message = await ended(world, key)

    assert reason == "ScopeNotAllowed"
    assert VM in message
    assert "poor" in message
    assert made(world) == []


async def test_a_repository_of_another_namespace_is_refused() -> None:
    world = World()
    world.sessions.put(session_of(repository_ref=ObjectReference("theirs", "rich")))

    reason, message = await ended(world)

    assert reason == "ScopeNotAllowed"
    assert "rich/theirs" in message


async def test_a_ready_repository_whose_account_left_the_tenancy_is_refused() -> None:
    world = World()
    world.sessions.put(session_of())
    ready = ready_repository()
    account = ready.spec.storage_account_id.replace(SUBSCRIPTION, FOREIGN_SUBSCRIPTION)
    spec = replace(ready.spec, storage_account_id=account)
    world.repositories.put(replace(ready, spec=spec))

    reason, message = await ended(world)

    assert reason == "ScopeNotAllowed"
    assert account in message
    assert made(world) == []


async def test_a_vm_of_another_subscription_is_refused_before_anything_is_made() -> None:
    world = World()
    world.sessions.put(session_of(vm_id=FOREIGN))

    reason, message = await ended(world)

    assert reason == "CrossSubscriptionRefused"
    assert FOREIGN in message
    assert made(world) == []


async def test_a_repository_that_is_missing_is_waited_for_and_then_used() -> None:
    world = World()
    world.sessions.put(session_of())
    world.repositories.stored.clear()
    for _ in range(3):
        await world.look()
    said = world.condition("Accepted")
    assert (said.reason, "team/repo" in said.message) == ("RepositoryNotFound", True)

    world.repositories.put(ready_repository())
    await world.run()

    assert world.status().outcome == "Succeeded"


async def test_a_repository_that_stays_stalled_for_an_hour_gives_the_session_its_reason() -> None:
    world = World()
    world.sessions.put(session_of(retry_limit=0))
    world.repositories.put(stalled_repository("KeyMismatch", "made with key abc"))

    await world.run(limit=2000)

    reason, message = world.condition("Failed").reason, world.status().message
    assert reason == "KeyMismatch"
    assert world.azure.snapshots == {}
    assert "made with key abc" in message


async def test_a_repository_of_another_appliance_is_refused() -> None:
    world = World()
    world.sessions.put(session_of())
    ready = ready_repository()
    status = replace(ready.status, appliance_id="somebody-else")
    world.repositories.put(replace(ready, status=status))

    reason, message = await ended(world)

    assert reason == "ClaimedByOtherAppliance"
    assert "somebody-else" in message


async def test_a_repository_that_another_appliance_owns_is_waited_for_until_it_is_claimed() -> None:
    world = World()
    world.sessions.put(session_of())
    ready = ready_repository()
    world.repositories.put(replace(ready, status=replace(ready.status, owner="somebody-else")))
    await world.look()
    await world.look()

    said = world.condition("Accepted")
    assert (said.reason, "somebody-else" in said.message) == ("ReadOnly", True)
    assert world.azure.order == []

    world.repositories.put(ready)
    await world.run()
    assert world.status().outcome == "Succeeded"


async def test_a_slot_past_its_deadline_ends_skipped() -> None:
    world = World()
    world.sessions.put(session_of(start_before=world.clock.now()))
    world.clock.turn(1)

    await world.run()

    assert (world.status().outcome, world.status().phase) == ("Skipped", "Skipped")
    assert made(world) == []


async def test_a_vm_whose_disks_are_all_excluded_has_nothing_to_back_up() -> None:
    world = World()
    seen = world.azure.machines[VM.lower()]
    from dataclasses import replace as changed  # noqa: PLC0415 - msgspec's replace is the module's

    world.add(changed(seen, disks=seen.disks[1:]))
    world.sessions.put(session_of(exclude_data_disk_luns=(0, 1)))

    reason, _ = await ended(world)

    assert reason == "NothingToBackUp"
