"""What is told follows the objects: along a session's life, and the same after a restart."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from tests.unit.metrics.told import POLICY, backup, policy
from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_world import World
from tests.worlds.samples import KEY, session_of
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.metrics.exposition import samples_of
from vmbackup_operator.metrics.families import Sample
from vmbackup_operator.metrics.picture import LastSeen, Picture
from vmbackup_operator.model.backup_policy import BackupPolicy
from vmbackup_operator.model.metadata import POLICY_LABEL, ObjectKey
from vmbackup_operator.sessions.book import SessionBook

ELSEWHERE = ObjectKey("other", "nightly")
NOBODY_LOOKED = LastSeen(lambda: None, lambda: None, dict)


def picture_of(book: SessionBook, clock: TurnedClock) -> Picture:
    return Picture(APPLIANCE, clock, book, NOBODY_LOOKED)


def told(picture: Picture) -> list[Sample]:
    return sorted(samples_of(picture.facts()), key=lambda sample: (sample.name, sample.labels))


def raw(watched: msgspec.Struct) -> dict[str, object]:
    """Return an object as the watch hands it on."""
    found: dict[str, object] = msgspec.json.decode(msgspec.json.encode(watched))
    return found


@pytest.fixture
def own_world() -> World:
    """Return a world with a policy's session that nobody has looked at."""
    world = World()
    session = session_of()
    labels = {POLICY_LABEL: POLICY.name}
    world.sessions.put(replace(session, metadata=replace(session.metadata, labels=labels)))
    world.start()
    return world


def started_again(world: World, policy_told: BackupPolicy) -> Picture:
    """Return the picture of another operator, which lists what is stored."""
    book = SessionBook()
    for session in world.sessions.stored.values():
        book.note(session)
    picture = picture_of(book, world.clock)
    picture.policy_seen(POLICY, raw(policy_told))
    return picture


async def test_at_each_moment_of_a_sessions_life_a_restart_changes_nothing(
    own_world: World,
) -> None:
    world, looked_at = own_world, policy("web-01")
    picture = picture_of(world.ground.book, world.clock)
    picture.policy_seen(POLICY, raw(looked_at))
    moments: list[list[Sample]] = []

    for _ in range(200):
        moments.append(told(picture))
        assert told(started_again(world, looked_at)) == moments[-1]
        if world.sessions.stored[KEY].status.outcome is not None:
            break
        await world.look()
        world.clock.turn(2)
        world.agents_work()
        await world.intake.round()

    steps = {sample.labels[2] for each in moments for sample in each
             if sample.name == "vmbackup_unfinished_sessions"}  # fmt: skip
    assert {"SnapshotsReady", "WorkerReady", "DataTransferred", "Committed"} <= steps
    ended = [sample for sample in moments[-1] if sample.name == "vmbackup_ended_sessions"]
    assert [sample.labels[1:] for sample in ended] == [("Backup", "Succeeded", "Succeeded")]
    by_name = {sample.name: sample.value for sample in moments[-1]}
    assert by_name["vmbackup_policy_last_read_bytes"] > 0
    assert by_name["vmbackup_policy_virtual_machines_without_recovery_point"] == 0
    assert by_name["vmbackup_serving_workers"] == 0


def test_an_object_that_goes_is_told_of_no_more() -> None:
    picture = picture_of(SessionBook(), TurnedClock())
    repository = ready_repository()
    picture.policy_seen(POLICY, raw(policy("web-01")))
    picture.repository_seen(repository.metadata.key, raw(repository))
    there = {sample.labels for sample in told(picture)}

    picture.policy_seen(POLICY, None)
    picture.repository_seen(repository.metadata.key, None)

    assert {("team", "nightly"), ("team", "repo")} <= there
    assert {sample.labels for sample in told(picture)} == {()}


def test_one_that_cannot_be_read_any_more_is_not_told_as_it_was() -> None:
    picture = picture_of(SessionBook(), TurnedClock())
    picture.policy_seen(POLICY, raw(policy("web-01")))
    poison = raw(policy("web-01")) | {"spec": {"schedule": 7}}

    picture.policy_seen(POLICY, poison)

    assert picture.facts().policies == []


def test_what_is_another_appliances_is_not_told() -> None:
    book = SessionBook()
    theirs = policy("web-01")
    theirs = replace(theirs, status=replace(theirs.status, appliance_id="another"))
    picture = picture_of(book, TurnedClock())
    picture.policy_seen(POLICY, raw(theirs))
    for outcome in ("Succeeded", None):
        session = backup("web-01", TurnedClock().now(), outcome)
        metadata = replace(session.metadata, name=f"theirs-{outcome}", uid=f"uid-{outcome}")
        status = replace(session.status, appliance_id="another")
        book.note(replace(session, metadata=metadata, status=status))

    assert {sample.name for sample in told(picture)} == {"vmbackup_serving_workers"}


def test_a_policy_made_again_under_its_name_is_told_as_the_new_one() -> None:
    picture = picture_of(SessionBook(), TurnedClock())
    picture.policy_seen(POLICY, raw(policy("web-01")))

    picture.policy_seen(POLICY, raw(policy("web-01", suspend=True)))
    picture.policy_seen(ELSEWHERE, raw(policy(key=ELSEWHERE)))

    assert [each.spec.suspend for each in picture.facts().policies] == [True, False]
