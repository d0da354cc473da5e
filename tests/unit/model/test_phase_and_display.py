"""What people see of a session follows from its conditions and numbers alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
)
from vmbackup_operator.model.conditions import Condition, ConditionStatus
from vmbackup_operator.model.display import amount, span, with_display
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.phase import PHASES, session_phase
from vmbackup_operator.model.progress import BackupDisplay, Progress, SessionError
from vmbackup_operator.model.references import ObjectReference
from vmbackup_operator.model.session_findings import FullRead

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def true(type_: str, reason: str = "Done") -> Condition:
    return Condition(type_, "True", reason, "", NOON)


def test_a_session_that_nobody_looked_at_is_pending() -> None:
    assert session_phase(()) == "Pending"


@pytest.mark.parametrize("done", range(len(PHASES)))
def test_the_phase_is_the_first_step_that_is_not_done(done: int) -> None:
    conditions = [true(type_) for type_, _ in PHASES[:done]]
    waiting = Condition(PHASES[done][0], "False", "InProgress", "", NOON)

    assert session_phase(conditions) == PHASES[done][1]
    assert session_phase([*conditions, waiting]) == PHASES[done][1]


@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_the_phase_says_what_a_step_waits_for(status: ConditionStatus) -> None:
    waits = Condition("Accepted", status, "RepositoryNotReady", "not yet", NOON)

    assert session_phase([waits]) == "Pending: RepositoryNotReady"


def test_a_session_between_two_attempts_says_when_the_next_begins_and_why() -> None:
    failed = Condition("Accepted", "False", "ReadFailed", "export: 503", NOON)
    status = BackupSessionStatus(
        conditions=(failed,),
        attempt=2,
        retry_time=NOON,
        errors=(SessionError("DataTransferred", "ReadFailed", "export: 503", 1),),
    )

    shown = with_display(session(status)).status

    assert shown.phase == "BackingOff: ReadFailed"
    assert shown.message == (
        "attempt 2 begins at 2026-11-22 12:00:00Z; the one before failed at DataTransferred: "
        "export: 503"
    )


def test_all_steps_done_without_an_outcome_is_completing() -> None:
    assert session_phase([true(type_) for type_, _ in PHASES]) == "Completing"


@pytest.mark.parametrize(
    ("conditions", "phase"),
    [
        ([true("Complete")], "Complete"),
        ([true("FailureTarget", "DiskGone")], "Failing: DiskGone"),
        ([true("FailureTarget", "Cancelled")], "Cancelling"),
        ([true("FailureTarget", "DiskGone"), true("Failed", "DiskGone")], "Failed: DiskGone"),
        ([true("FailureTarget", "Cancelled"), true("Failed", "Cancelled")], "Cancelled"),
        ([true("Failed", "Skipped")], "Skipped"),
    ],
)
def test_an_ending_has_its_own_word(conditions: list[Condition], phase: str) -> None:
    assert session_phase(conditions) == phase


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1024, "1.0 KiB"),
        (1_310_720, "1.2 MiB"),
        (104_857_600, "100 MiB"),
        (1023 * 1024**2, "1.0 GiB"),
        (68_719_476_736, "64.0 GiB"),
        (32 * 1024**4, "32.0 TiB"),
        (5000 * 1024**5, "5000 PiB"),
    ],
)
def test_amounts_have_three_digits_at_most_and_their_unit(size_bytes: int, text: str) -> None:
    assert amount(size_bytes) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=-3), "0s"),
        (timedelta(seconds=0.4), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(minutes=3, seconds=12), "3m12s"),
        (timedelta(hours=2), "2h"),
        (timedelta(hours=2, minutes=5, seconds=9), "2h5m"),
        (timedelta(days=1, minutes=1), "1d"),
    ],
)
def test_spans_have_their_two_biggest_units(length: timedelta, text: str) -> None:
    assert span(length) == text


def session(status: BackupSessionStatus) -> BackupSession:
    spec = BackupSessionSpec("/subscriptions/1/virtualMachines/web-01", ObjectReference("west"))
    return BackupSession(Metadata("s", "n"), spec, status)


def test_columns_follow_the_numbers() -> None:
    shown = with_display(
        session(
            BackupSessionStatus(
                conditions=(true("Complete"),),
                progress=Progress(100, 1024**3, 1024**3, 314_572_800),
                start_time=NOON,
                completion_time=NOON + timedelta(seconds=192),
            )
        )
    ).status

    assert shown.phase == "Complete"
    assert shown.display == BackupDisplay("web-01", "100%", "1.0 GiB", "300 MiB", "3m12s")


def test_looking_at_a_running_session_again_changes_nothing() -> None:
    shown = with_display(
        session(BackupSessionStatus(start_time=NOON, progress=Progress(3, 100, 3, 1)))
    )

    assert with_display(shown) == shown


def test_a_running_session_says_what_its_step_says() -> None:
    refused = Condition("SnapshotsReady", "Unknown", "AzureUnavailable", "no answer", NOON)
    status = BackupSessionStatus(conditions=(true("Accepted"), refused), message="before")

    assert with_display(session(status)).status.message == "no answer"


@pytest.mark.parametrize(
    "ending",
    [
        BackupSessionStatus(conditions=(true("FailureTarget", "DiskGone"),), message="why"),
        BackupSessionStatus(conditions=(true("Complete"),), message="why", outcome="Succeeded"),
    ],
    ids=["failing", "ended"],
)
def test_a_session_that_is_decided_keeps_saying_why(ending: BackupSessionStatus) -> None:
    assert with_display(session(ending)).status.message == "why"


def test_a_session_without_numbers_shows_its_vm() -> None:
    assert with_display(session(BackupSessionStatus())).status.display == BackupDisplay("web-01")


def test_disks_that_are_read_whole_are_shown_by_their_reasons() -> None:
    full_reads = tuple(
        FullRead(disk, reason, "why")
        for disk, reason in (("os", "NoPredecessor"), ("0", "DiskResized"), ("7", "NoPredecessor"))
    )
    shown = with_display(session(BackupSessionStatus(full_reads=full_reads))).status.display
    assert shown is not None
    assert shown.full_reads == "NoPredecessor: os, 7; DiskResized: 0"

    many = tuple(FullRead(str(lun), "NoPredecessor", "why") for lun in range(64))
    shown = with_display(session(BackupSessionStatus(full_reads=many))).status.display
    assert shown is not None
    assert len(shown.full_reads) == 128
    assert shown.full_reads.endswith("…")
