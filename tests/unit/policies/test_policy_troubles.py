"""What a policy does while something is amiss that passes, and beside another policy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_policies import KEY, PolicyWorld, policy
from tests.worlds.samples import VM, session_of
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import TransientError
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import as_reconciling, with_conditions
from vmbackup_operator.model.metadata import ObjectKey


@pytest.fixture
def world() -> PolicyWorld:
    made = PolicyWorld()
    made.put(policy(VM))
    return made


def repository_on_its_way(world: PolicyWorld, *, opened_before: bool) -> None:
    ready = ready_repository()
    said = as_reconciling("AzureUnavailable", "503 from the account")
    conditions = with_conditions((), said, now=TurnedClock().now(), generation=1)
    status = replace(ready.status, conditions=conditions)
    if not opened_before:
        status = replace(status, repository_id=None)
    world.repositories.put(replace(ready, status=status))


async def test_two_policies_of_one_vm_make_one_session_at_a_time(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ObjectKey(KEY.namespace, "hourly")
    twin = policy(VM)
    world.policies.put(replace(twin, metadata=replace(twin.metadata, name=other.name)))
    unfinished = world.sessions.unfinished

    async def slowly() -> Sequence[BackupSession]:
        found = await unfinished()
        await asyncio.sleep(0)
        return found

    monkeypatch.setattr(world.sessions, "unfinished", slowly)

    await asyncio.gather(*(world.reconciler.reconcile(key) for key in (KEY, other)))

    assert len(world.sessions.created) == 1


async def test_no_slot_is_missed_because_azure_did_not_answer(world: PolicyWorld) -> None:
    world.machines.trouble = TransientError("503 from Azure")

    with pytest.raises(TransientError):
        await world.look()

    assert len(world.sessions.created) == 1
    assert world.reason()[1] == "AzureUnavailable"


async def test_no_slot_is_missed_because_the_repository_is_out_of_reach(
    world: PolicyWorld,
) -> None:
    repository_on_its_way(world, opened_before=True)

    await world.look()

    assert len(world.sessions.created) == 1


async def test_a_repository_that_is_being_made_is_waited_for_and_is_nobodys_fault(
    world: PolicyWorld,
) -> None:
    repository_on_its_way(world, opened_before=False)

    await world.look()

    assert world.sessions.created == []
    assert [world.reason(kind)[0] for kind in ("Ready", "Reconciling", "Stalled")] == [
        "False", "True", "False",
    ]  # fmt: skip


async def test_what_reads_back_a_vm_keeps_no_policy_from_backing_it_up(world: PolicyWorld) -> None:
    reading = session_of(ObjectKey(KEY.namespace, "verify-1"), VM, type="Verify")
    world.sessions.put(reading)

    await world.look()

    made = [each for each in world.sessions.stored.values() if each.spec.type == "Backup"]
    assert [each.spec.virtual_machine_id for each in made] == [VM]
    assert world.policy.status.active_sessions == (made[0].metadata.name,)
