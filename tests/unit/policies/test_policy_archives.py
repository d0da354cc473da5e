"""Which points a policy has copied into its archive repository, and by which sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from tests.worlds.memory_policies import KEY, PolicyWorld, fleet, policy
from tests.worlds.samples import VM
from vmbackup_core.ids import RunId
from vmbackup_operator.model.backup_policy import (
    ArchivedPoints,
    ArchiveWanted,
    ReplacedRetention,
    SessionHistory,
    StandingArchive,
)
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.retention import Retention
from vmbackup_operator.model.session import Outcome
from vmbackup_operator.model.session_findings import (
    Resolved,
    ResolvedVirtualMachine,
    SnapshotMember,
)
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.policies.archiving import period_of
from vmbackup_operator.policies.occasions import with_archive
from vmbackup_operator.upkeep.rules import rules_of

ARCHIVE = ObjectReference("archive")
KEPT = Retention(last=2, monthly=12)
BERLIN = ZoneInfo("Europe/Berlin")


def wanted(points: ArchivedPoints = "All", retention: Retention = KEPT) -> ArchiveWanted:
    return ArchiveWanted(ARCHIVE, retention, points)


def world_of(points: ArchivedPoints = "All", **spec: Any) -> PolicyWorld:
    """Return a policy that archives, backs up once a day, and was looked at."""
    made = PolicyWorld()
    made.put(policy(VM, archive=wanted(points), **spec))
    return made


def backups(world: PolicyWorld) -> list[BackupSession]:
    return [each for each in world.sessions.stored.values() if each.spec.type == "Backup"]


def archives(world: PolicyWorld) -> list[BackupSession]:
    found = [each for each in world.sessions.stored.values() if each.spec.type == "Archive"]
    return sorted(found, key=lambda each: each.metadata.name)


def store(world: PolicyWorld, session: BackupSession, outcome: Outcome = "Succeeded") -> None:
    """End a backup, whose point was taken when it began."""
    vm_id = session.spec.virtual_machine_id
    taken = session.metadata.creation_timestamp
    run = RunId(sha256(session.metadata.name.encode()).hexdigest()[:32])
    status = replace(
        session.status,
        outcome=outcome,
        run_id=run,
        start_time=taken,
        completion_time=world.clock.now().replace(microsecond=0),
        snapshot_set=(SnapshotMember("os", "/snapshots/os", taken_at=taken),),
        recovery_point=run if outcome == "Succeeded" else None,
        resolved=Resolved(
            virtual_machine=ResolvedVirtualMachine(vm_id, name_of(ArmId(vm_id)), "r", "u")
        ),
    )
    world.sessions.store(replace(session, status=status))


def end(world: PolicyWorld, session: BackupSession, outcome: Outcome) -> None:
    moment = world.clock.now().replace(microsecond=0)
    status = replace(session.status, outcome=outcome, completion_time=moment)
    world.sessions.store(replace(session, status=status))


async def a_day(world: PolicyWorld, outcome: Outcome = "Succeeded") -> None:
    """Have the next backup made and ended, and the archives that are owed then."""
    await world.settle()
    for each in backups(world):
        if each.status.outcome is None:
            store(world, each, outcome)
    await world.settle()


async def days(world: PolicyWorld, count: int, archive: Outcome = "Succeeded") -> None:
    for _ in range(count):
        await a_day(world)
        for each in archives(world):
            if each.status.outcome is None:
                end(world, each, archive)
        await world.settle()
        world.clock.turn(24 * 3600)


async def test_every_point_is_archived_once_its_backup_has_succeeded() -> None:
    world = world_of()
    await days(world, 3)

    made = archives(world)
    assert len(made) == len(backups(world)) == 3
    for each in made:
        assert each.spec.repository_ref == ObjectReference("archive", "team")
        assert each.spec.retention.rule == KEPT.rule_in("Etc/UTC")
        assert each.spec.policy_ref is not None
        assert each.spec.archive is not None
        assert each.spec.archive.recovery_point_ref.namespace == "team"
    named = {each.spec.archive.recovery_point_ref.name for each in made if each.spec.archive}
    assert len(named) == 3


@pytest.mark.parametrize(
    ("points", "count"), [("Weekly", 3), ("Monthly", 1), ("Yearly", 1), ("All", 15)]
)
async def test_of_a_period_the_first_point_alone_is_archived(
    points: ArchivedPoints, count: int
) -> None:
    """From Sunday 22 November on for fifteen days: of three weeks, and of two months from 1 Dec."""
    world = world_of(points, session_history=SessionHistory(succeeded=100))
    await days(world, 15)

    months = 1 if points == "Monthly" else 0
    assert len(archives(world)) == count + months


async def test_a_failed_backup_is_not_archived() -> None:
    world = world_of()
    await a_day(world, "Failed")

    assert archives(world) == []


async def test_what_could_not_be_archived_is_made_up_for_by_the_next_point_of_the_period() -> None:
    world = world_of("Yearly")
    await days(world, 1, archive="Failed")
    await days(world, 2)

    assert [each.status.outcome for each in archives(world)].count("Succeeded") == 1
    assert len(archives(world)) == 2


async def test_one_archive_of_a_vm_runs_at_a_time_the_oldest_point_first() -> None:
    world = world_of()
    await a_day(world)
    world.clock.turn(24 * 3600)
    await a_day(world)

    (running,) = archives(world)
    end(world, running, "Succeeded")
    await world.settle()
    assert len(archives(world)) == 2


async def test_as_many_run_at_once_as_the_policy_may_have_sessions() -> None:
    world = PolicyWorld()
    world.put(policy(*fleet(4), archive=wanted(), max_concurrent_sessions=4))
    await a_day(world)
    assert len(archives(world)) == 4

    world = PolicyWorld()
    world.put(policy(*fleet(4), archive=wanted(), max_concurrent_sessions=2))
    for _ in range(4):
        await a_day(world)
    assert len([each for each in archives(world) if each.status.outcome is None]) == 2


async def test_archives_take_no_room_from_backups_nor_keep_their_vm_from_a_turn() -> None:
    world = world_of(max_concurrent_sessions=1)
    await a_day(world)
    assert len(archives(world)) == 1
    world.clock.turn(24 * 3600)
    await world.settle()

    assert len(backups(world)) == 2


async def test_what_was_stored_before_the_policy_said_so_is_not_archived() -> None:
    world = PolicyWorld()
    world.put(policy(VM))
    await a_day(world)
    world.clock.turn(3600)
    world.edit(archive=wanted())
    await world.settle()
    assert archives(world) == []

    world.clock.turn(23 * 3600)
    await a_day(world)
    assert len(archives(world)) == 1


async def test_a_suspended_policy_archives_nothing() -> None:
    world = world_of()
    await world.settle()
    world.edit(suspend=True)
    await a_day(world)

    assert archives(world) == []


async def test_an_operator_that_is_started_again_makes_none_twice() -> None:
    world = world_of()
    await a_day(world)
    before = archives(world)
    world.start()
    await world.settle()

    assert archives(world) == before


async def test_archives_and_backups_have_a_history_each() -> None:
    world = world_of(session_history=SessionHistory(succeeded=2))
    await days(world, 5)

    assert len([each for each in archives(world) if each.status.outcome == "Succeeded"]) <= 3
    assert len(backups(world)) >= 2
    assert world.policy.status.last_session in {each.metadata.name for each in backups(world)}


@pytest.mark.parametrize(
    ("points", "moment", "period"),
    [
        ("Weekly", datetime(2026, 11, 22, 22, 59, tzinfo=UTC), "2026-W47"),
        ("Weekly", datetime(2026, 11, 22, 23, 0, tzinfo=UTC), "2026-W48"),
        ("Weekly", datetime(2027, 1, 3, 12, 0, tzinfo=UTC), "2026-W53"),
        ("Monthly", datetime(2026, 10, 31, 22, 59, tzinfo=UTC), "2026-10"),
        ("Monthly", datetime(2026, 10, 31, 23, 0, tzinfo=UTC), "2026-11"),
        ("Yearly", datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "2027"),
        ("All", datetime(2026, 12, 31, 23, 0, tzinfo=UTC), None),
    ],
)
def test_a_period_is_of_the_policys_time_zone(
    points: ArchivedPoints, moment: datetime, period: str | None
) -> None:
    assert period_of(points, moment, BERLIN) == period


def test_since_when_is_kept_apart_for_what_is_archived_and_for_how_long() -> None:
    first, hour = datetime(2026, 11, 22, 2, 0, tzinfo=UTC), timedelta(hours=1)
    said = policy(VM, archive=wanted())
    status = with_archive(said, said.status, first)
    standing = StandingArchive(ARCHIVE, "All", first, KEPT, first)
    assert status.archive == standing

    other = policy(VM, archive=wanted(retention=Retention(last=1)))
    changed = with_archive(other, status, first + hour).archive
    assert changed == replace(
        standing,
        retention=Retention(last=1),
        retention_since=first + hour,
        retention_before=(ReplacedRetention(KEPT, first + hour),),
    )

    weekly = policy(VM, archive=wanted("Weekly"))
    changed = with_archive(weekly, status, first + hour).archive
    assert changed == replace(standing, points="Weekly", since=first + hour)
    assert with_archive(policy(VM), status, first).archive is None


def test_upkeep_of_the_archive_repository_goes_by_the_archives_retention() -> None:
    now = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    said = policy(VM, archive=wanted())
    said = replace(said, status=with_archive(said, said.status, now - timedelta(days=9)))
    at = (KEY.namespace, KEY.name)

    (rule,) = rules_of([said], {ObjectKey("team", "archive")}, now).values()
    assert (rule.retention.last, rule.retention.monthly) == (2, 12)
    assert rule.since == now - timedelta(days=9)
    assert rules_of([said], {ObjectKey("team", "repo")}, now)[at].retention.last == 7
    assert rules_of([said], {ObjectKey("team", "elsewhere")}, now) == {}


def test_a_retention_that_was_edited_just_now_stands_from_now_on() -> None:
    now = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    said = policy(VM, archive=wanted())
    status = with_archive(said, said.status, now - timedelta(days=9))
    edited = replace(policy(VM, archive=wanted(retention=Retention(last=1))), status=status)

    (rule,) = rules_of([edited], {ObjectKey("team", "archive")}, now).values()
    assert rule.since == now
