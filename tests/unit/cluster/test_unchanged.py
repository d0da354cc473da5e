"""What is remembered saves requests and never hides a change."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from vmbackup_operator.cluster.unchanged import Unchanged
from vmbackup_operator.model.backup_session import (
    BackupSession,
    BackupSessionSpec,
    BackupSessionStatus,
)
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.references import ObjectReference


def session(uid: str, version: str = "1", attempt: int = 0) -> BackupSession:
    return BackupSession(
        Metadata("s", "n", uid=uid, resource_version=version),
        BackupSessionSpec("vm", ObjectReference("west")),
        BackupSessionStatus(attempt=attempt),
    )


def test_only_the_same_status_under_the_same_version_is_stored_already() -> None:
    unchanged = Unchanged()
    unchanged.remember(session("a"))

    assert unchanged.is_stored(session("a"))
    assert not unchanged.is_stored(session("a", attempt=1))
    assert not unchanged.is_stored(session("a", version="2"))
    assert not unchanged.is_stored(session("b"))


def test_a_spec_does_not_count() -> None:
    unchanged = Unchanged()
    unchanged.remember(session("a"))
    other = session("a")

    assert unchanged.is_stored(replace(other, spec=replace(other.spec, cancel=True)))


def test_the_oldest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmbackup_operator.cluster.unchanged.MAX_REMEMBERED", 2)
    unchanged = Unchanged()
    for uid in ("a", "b", "a", "c"):
        unchanged.remember(session(uid))

    assert [uid for uid in "abc" if unchanged.is_stored(session(uid))] == ["a", "c"]
