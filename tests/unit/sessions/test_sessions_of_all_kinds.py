"""Restores beside backups: told apart by kind, and before them in the queue, but not for ever."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.worlds.memory_azure import AWAY, SUBSCRIPTION
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.ids import RunId, WorkerId
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
    SessionType,
)
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.metadata import Metadata, ObjectKey
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.restore_session import (
    Restored,
    RestoredDisk,
    RestoredPoint,
    RestoreKey,
    RestoreSession,
    RestoreSessionSpec,
    RestoreSessionStatus,
    RestoreTarget,
)
from vmbackup_operator.model.session import Session
from vmbackup_operator.model.session_findings import (
    Resolved,
    ResolvedEnvironment,
    SessionWorker,
)
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.allocator import Allocator
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.sharing import YIELDS, ExportsWanted, turns

HOUR = int(YIELDS.total_seconds())
ENVIRONMENT = ResolvedEnvironment(SUBSCRIPTION, AWAY, "group", "/a", "/w", "/e")
BUSY = Condition("WorkerReady", "False", "WorkerBusy", "busy", TurnedClock().now())
RUN = RunId("0" * 32)


def backup(name: str, began_s: int, kind: SessionType = "Backup") -> BackupSession:
    status = BackupSessionStatus(
        resolved=Resolved(environment=ENVIRONMENT),
        start_time=TurnedClock().now() + timedelta(seconds=began_s),
        conditions=(BUSY,),
    )
    spec = BackupSessionSpec("/vm", ObjectReference("repo"), kind)
    return BackupSession(Metadata(name, "team", uid=f"backup-{name}"), spec, status)


def restore(
    name: str, began_s: int, disks: tuple[RestoredDisk, ...] = (), worker: str = ""
) -> RestoreSession:
    status = RestoreSessionStatus(
        resolved=Resolved(environment=ENVIRONMENT),
        start_time=TurnedClock().now() + timedelta(seconds=began_s),
        conditions=(BUSY,),
        worker=SessionWorker(WorkerId(worker), f"/{worker}") if worker else None,
        restored=Restored(RestoredPoint(RUN, "/vm", ObjectKey("team", "repo")), disks),
    )
    target = RestoreTarget(SUBSCRIPTION, "restored", AWAY)
    spec = RestoreSessionSpec(ObjectReference("point"), "Disks", target)
    return RestoreSession(Metadata(name, "team", uid=f"restore-{name}"), spec, status)


def order(*sessions: Session) -> Sequence[str]:
    return [each.metadata.name for each in turns(sessions, {})]


def test_restores_go_before_backups_and_these_before_readings() -> None:
    reading, first = backup("reading", 0, "Verify"), backup("first", 10)

    assert order(reading, first, restore("late", 20)) == ["late", "first", "reading"]


@pytest.mark.parametrize(("came_s", "goes_first"), [(HOUR, "late"), (HOUR + 1, "old")])
def test_a_backup_that_waited_an_hour_longer_yields_no_more(came_s: int, goes_first: str) -> None:
    assert order(backup("old", 0), restore("late", came_s))[0] == goes_first


def test_a_reading_yields_to_backups_as_if_there_were_no_restores() -> None:
    reading, between = backup("reading", 0, "Verify"), backup("between", HOUR)

    assert order(reading, between, restore("early", 5)) == ["early", "between", "reading"]


def test_two_kinds_of_one_name_are_two_sessions() -> None:
    book, woken = SessionBook(), list[ObjectKey]()
    one, other = backup("nightly", 0), restore("nightly", 0, worker="w-1")
    for each in (one, other):
        assert book.note(each)

    assert book.find(ObjectKey("team", "nightly")) == one
    assert book.find(RestoreKey("team", "nightly")) == other
    assert [each.key for each in book.served_by(WorkerId("w-1"))] == [other.key]
    Allocator(book, woken.append).wake_next(AWAY)
    assert woken == [one.key]
    book.forget(one.key)
    assert list(book.unfinished()) == [other]


def test_a_restore_keeps_no_backup_of_the_vm_waiting() -> None:
    book = SessionBook()
    one = backup("nightly", 10)
    book.note(restore("older", 0))
    book.note(one)

    assert Allocator(book, lambda _key: None).turn_of_vm(one, "/vm") is None


def test_the_disks_of_restores_take_their_room_of_a_disk_access() -> None:
    book, access = SessionBook(), ArmId("/access-0")
    until = TurnedClock().now()
    disks = tuple(
        RestoredDisk(str(each), f"/disk-{each}", 1, 0, access, until) for each in range(4)
    )
    book.note(restore("bring-back", 0, disks))
    wanted = ExportsWanted(
        [ArmId("/snapshot-0"), ArmId("/snapshot-1")], lambda number: ArmId(f"/access-{number}")
    )

    given = Allocator(book, lambda _key: None).share_exports(backup("nightly", 1), wanted, [])

    assert sorted(given.values()) == ["/access-0", "/access-1"]
