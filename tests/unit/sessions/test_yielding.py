"""Who reads back what is stored lets backups have workers first, and does not starve for it."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.memory_azure import AWAY, SUBSCRIPTION
from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
    SessionType,
)
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.session_findings import Resolved, ResolvedEnvironment
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.sharing import YIELDS, turns

HOUR = int(YIELDS.total_seconds())


def waiting(
    name: str, began_s: int, kind: SessionType = "Backup", namespace: str = "team"
) -> BackupSession:
    """Return a session of that kind that waits for a worker since then."""
    now = TurnedClock().now()
    said = Condition("WorkerReady", "False", "WorkerBusy", "busy", now)
    environment = ResolvedEnvironment(SUBSCRIPTION, AWAY, "group", "/a", "/w", "/e")
    status = BackupSessionStatus(
        resolved=Resolved(environment=environment),
        start_time=now + timedelta(seconds=began_s),
        conditions=(said,),
    )
    spec = BackupSessionSpec("/vm", ObjectReference("repo"), kind)
    return BackupSession(Metadata(name, namespace, uid=name), spec, status)


def order(*sessions: BackupSession, **held: int) -> list[str]:
    return [each.metadata.name for each in turns(sessions, held)]


def test_backups_go_first_whoever_came_first() -> None:
    reading = waiting("reading", 0, "Verify")

    assert order(reading, waiting("late", HOUR)) == ["late", "reading"]


def test_what_a_namespace_holds_changes_nothing_of_that() -> None:
    reading = waiting("reading", 0, "Verify", namespace="idle")

    assert order(reading, waiting("b", 1), team=9) == ["b", "reading"]


def test_a_backup_that_came_more_than_an_hour_later_goes_behind() -> None:
    reading = waiting("reading", 0, "Verify")
    backups = (waiting("early", -5), waiting("later", HOUR + 1))

    assert order(reading, *backups) == ["early", "reading", "later"]


def test_among_themselves_they_take_turns_as_others_do() -> None:
    those = [
        waiting("a1", 1, "Verify", "a"),
        waiting("a2", 2, "Verify", "a"),
        waiting("b1", 3, "Verify", "b"),
    ]

    assert order(*those) == ["a1", "b1", "a2"]
    assert order(*those, waiting("x", 9, namespace="b")) == ["x", "a1", "a2", "b1"]


@given(st.lists(st.integers(0, 3 * HOUR), max_size=30), st.integers(0, HOUR))
def test_it_is_overtaken_by_those_alone_that_came_within_the_hour(
    began: list[int], own: int
) -> None:
    backups = [waiting(f"b{n:02}", at) for n, at in enumerate(began)]
    found = order(waiting("reading", own, "Verify"), *backups)

    assert sorted(found) == sorted([*(each.metadata.name for each in backups), "reading"])
    if began and max(began) > own + HOUR:
        ahead = found[: found.index("reading")]
        assert all(began[int(name[1:])] <= own for name in ahead)


def test_a_worker_that_is_free_goes_to_the_backup_and_one_session_of_a_vm_is_no_hindrance() -> None:
    reading, backup = waiting("reading", 0, "Verify"), waiting("backup", 5)
    book, woken = SessionBook(), list[ObjectKey]()
    book.note(reading)
    book.note(backup)
    allots = Allocator(book, woken.append)

    assert allots.next_in(AWAY) == backup.metadata.key
    assert allots.turn_of_vm(backup, "/vm") is None
    allots.wake_for_vm("/vm")
    assert woken == [backup.metadata.key]
