"""The picture of unfinished sessions: as new as the newest of watch and writes."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from tests.worlds.samples import KEY, VM, session_of
from vmbackup_core.ids import RunId, WorkerId
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.conditions import Condition
from vmbackup_operator.model.session import Outcome
from vmbackup_operator.model.session_findings import (
    Export,
    Resolved,
    ResolvedEnvironment,
    SessionWorker,
    SnapshotMember,
)
from vmbackup_operator.sessions.book import SessionBook

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def at(
    version: str,
    *,
    attempt: int = 0,
    worker: SessionWorker | None = None,
    outcome: Outcome | None = None,
) -> BackupSession:
    session = session_of()
    metadata = replace(session.metadata, resource_version=version)
    status = BackupSessionStatus(attempt=attempt, worker=worker, outcome=outcome)
    return replace(session, metadata=metadata, status=status)


def test_an_echo_of_what_is_known_is_no_news() -> None:
    book = SessionBook()

    assert book.note(at("9")) is True
    assert book.note(at("9")) is False
    assert book.note(at("10")) is True


def test_what_is_older_than_what_is_known_changes_nothing() -> None:
    book = SessionBook()
    book.note(at("10", attempt=2))

    assert book.note(at("9", attempt=1)) is False
    assert [each.status.attempt for each in book.unfinished()] == [2]


def test_a_session_of_the_same_name_that_is_another_is_news_whatever_its_version() -> None:
    book = SessionBook()
    book.note(at("10"))
    other = session_of(uid="99999999-0000-4000-8000-000000000000")

    assert book.note(replace(other, metadata=replace(other.metadata, resource_version="3"))) is True


def test_a_session_is_found_by_its_vm_and_its_worker_until_it_ends() -> None:
    book = SessionBook()
    worker = SessionWorker(WorkerId("w-1"), "/w")
    book.note(at("1", worker=worker))
    by_vm, by_worker = list(book.of_vm(VM.upper())), list(book.served_by(WorkerId("w-1")))

    book.note(at("2", worker=worker, outcome="Succeeded"))

    assert [each.metadata.key for each in (*by_vm, *by_worker)] == [KEY, KEY]
    assert list(book.unfinished()) == list(book.of_vm(VM)) == []
    assert list(book.served_by(WorkerId("w-1"))) == []


def test_a_worker_that_a_session_gave_back_serves_it_no_more() -> None:
    book = SessionBook()
    book.note(at("1", worker=SessionWorker(WorkerId("w-1"), "/w")))

    book.note(at("2"))

    assert list(book.served_by(WorkerId("w-1"))) == []


def test_a_snapshot_is_named_by_a_set_or_an_export_until_the_last_one_that_names_it_ends() -> None:
    book, one, other = SessionBook(), at("1"), at("1")
    own = (SnapshotMember("os", "/SNAP-1"),)
    book.note(replace(one, status=replace(one.status, snapshot_set=own)))
    elsewhere = replace(other.metadata, name="other", uid="u-other")
    exporting = replace(other.status, exports=(Export("/snap-1"),))
    book.note(replace(other, metadata=elsewhere, status=exporting))
    both = book.names("/snap-1"), book.names("/snap-2")

    book.note(at("2", outcome="Succeeded"))
    one_of_them = book.names("/Snap-1")
    book.forget(elsewhere.key)

    assert both == (True, False)
    assert one_of_them
    assert not book.names("/snap-1")


def test_who_competes_is_found_without_a_look_at_all_sessions() -> None:
    book = SessionBook()
    environment = ResolvedEnvironment("s", "northeurope", "group", "/a", "/w", "/e")
    waiting = BackupSessionStatus(
        run_id=RunId("r-1"),
        resolved=Resolved(environment=environment),
        exports=(Export("/s"),),
        conditions=(Condition("WorkerReady", "False", "WorkerBusy", "", NOW),),
    )
    book.note(with_status("1", waiting))
    without = book.waiting_for_worker("northeurope")
    exporting, of_run = list(book.exporting()), list(book.of_run("r-1"))
    worker = SessionWorker(WorkerId("w-1"), "/w")

    book.note(with_status("2", replace(waiting, worker=worker, exports=())))

    assert [each.metadata.key for each in (*without.values(), *exporting, *of_run)] == [KEY] * 3
    assert book.holders() == {WorkerId("w-1"): KEY}
    assert [*book.waiting_for_worker("northeurope"), *book.exporting()] == []
    assert [*book.waiting_for_worker("elsewhere"), *book.of_run("r-2")] == []


def with_status(version: str, status: BackupSessionStatus) -> BackupSession:
    session = session_of()
    return replace(
        session, metadata=replace(session.metadata, resource_version=version), status=status
    )
