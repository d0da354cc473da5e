"""A policy of type Snapshot: it needs no repository, and its sessions take sets alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import AWAY, SUBSCRIPTION
from tests.worlds.memory_policies import PolicyWorld, policy
from tests.worlds.samples import FOREIGN_SUBSCRIPTION, SETTINGS_ACROSS, VM
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.naming import ArmId
from vmbackup_operator.upkeep.rules import keepers_of


def of_sets() -> BackupPolicy:
    retention = Retention(last=24, daily=7)
    return policy(VM, type="Snapshot", repository_ref=None, retention=retention)


@pytest.fixture
def world() -> PolicyWorld:
    """Return a world without any repository."""
    made = PolicyWorld()
    made.repositories.stored.clear()
    made.put(of_sets())
    return made


async def test_a_due_slot_makes_a_session_that_takes_a_set(world: PolicyWorld) -> None:
    await world.look()

    (session,) = world.sessions.stored.values()
    assert (session.spec.type, session.spec.repository_ref) == ("Snapshot", None)
    assert (session.spec.retention.last, session.spec.retention.daily) == (24, 7)
    assert session.spec.snapshots_to_keep == 1
    assert world.reason()[0] == "True"


async def test_its_sessions_are_counted_and_kept_as_those_of_backups_are(
    world: PolicyWorld,
) -> None:
    await world.pass_time(hours=24 * 15)

    assert len(world.sessions.of_outcome("Succeeded")) == 10
    assert world.policy.status.last_success_time is not None


async def test_no_second_session_begins_while_one_takes_a_set_of_the_vm(
    world: PolicyWorld,
) -> None:
    await world.look()
    world.trigger("now")
    await world.settle()
    assert len(world.sessions.created) == 1

    world.sessions.end()
    await world.settle()
    assert len(world.sessions.created) == 2


async def test_a_word_for_new_chains_makes_no_set_anew(world: PolicyWorld) -> None:
    await world.look()
    world.sessions.end()
    world.trigger("now", new_chain="now")
    await world.settle()

    assert not any(each.spec.new_chain for each in world.sessions.stored.values())


async def test_a_vm_of_another_subscription_needs_no_way_for_its_data() -> None:
    world = PolicyWorld(SETTINGS_ACROSS)
    foreign = ArmId(VM.replace(SUBSCRIPTION, FOREIGN_SUBSCRIPTION))
    world.put(policy(foreign, type="Snapshot", repository_ref=None))
    world.elsewhere.refused[AWAY] = "RegionEnvironment away says crossSubscriptionExport: Refuse"
    await world.settle()

    assert world.reason()[0] == "True"
    assert len(world.sessions.of_outcome(None)) == 1


async def test_a_retention_that_keeps_less_is_told_of_with_the_day_from_which_it_counts(
    world: PolicyWorld,
) -> None:
    await world.look()
    world.edit(retention=Retention(last=2))
    await world.look()

    (message,) = [said for reason, said in world.events.reasons if reason == "RetentionReduced"]
    assert f"{world.clock.now() + timedelta(days=7):%Y-%m-%d %H:%MZ}" in message


async def test_its_retention_decides_in_no_repository(world: PolicyWorld) -> None:
    await world.look()

    everything = {ObjectKey("team", "repo"), ObjectKey("team", "west")}
    backup = replace(policy(VM), metadata=replace(policy(VM).metadata, name="backups"))
    found = keepers_of([world.policy, backup], everything, world.clock.now())
    assert {name for _, name in found} == {"backups"}
