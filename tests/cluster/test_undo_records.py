"""Undo records on a real API server, with the operator's own rights."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from vmbackup_core.ids import RunId
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.undo_records import StoredUndoRecords
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import Resolved
from vmbackup_operator.sessions.undo_record import UndoRecord

pytestmark = pytest.mark.control_plane

RECORD = UndoRecord(
    session=ObjectKey("web-team", "nightly-1"),
    uid="00000000-0000-4000-8000-000000000001",
    run_id=RunId("0123456789abcdef" * 2),
    virtual_machine_id="/subscriptions/1/virtualMachines/web-01",
    resolved=Resolved(policy_generation=3),
    retry_limit=3,
)


async def test_a_record_is_kept_replaced_listed_and_dropped(connection: Connection) -> None:
    records = StoredUndoRecords(connection, "vmbackup-system", "one")
    stored = replace(RECORD, stored=True)

    await records.keep(RECORD)
    await records.keep(stored)
    kept = list(await records.all())
    await records.drop(RECORD.run_id)
    await records.drop(RECORD.run_id)

    assert kept == [stored]
    assert list(await records.all()) == []


async def test_another_appliances_records_are_not_ours(connection: Connection) -> None:
    await StoredUndoRecords(connection, "vmbackup-system", "one").keep(RECORD)

    assert list(await StoredUndoRecords(connection, "vmbackup-system", "two").all()) == []
