"""Undo records on a real API server, with the operator's own rights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from tests.worlds.memory_cluster import MemoryUndoRecords
from vmbackup_core.ids import RunId
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.undo_records import StoredUndoRecords
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import Resolved
from vmbackup_operator.reconciling.outcome import Conflict
from vmbackup_operator.sessions.undo_record import UndoRecord, UndoRecords

pytestmark = pytest.mark.control_plane

RECORD = UndoRecord(
    session=ObjectKey("web-team", "nightly-1"),
    uid="00000000-0000-4000-8000-000000000001",
    run_id=RunId("0123456789abcdef" * 2),
    virtual_machine_id="/subscriptions/1/virtualMachines/web-01",
    resolved=Resolved(policy_generation=3),
    retry_limit=3,
)


OTHER = replace(
    RECORD,
    session=ObjectKey("web-team", "nightly-2"),
    uid="00000000-0000-4000-8000-000000000002",
    run_id=RunId("fedcba9876543210" * 2),
)
VM = RECORD.virtual_machine_id


@pytest.fixture(params=["on the API server", "in memory"])
async def records(
    request: pytest.FixtureRequest, connection: Connection
) -> AsyncIterator[UndoRecords]:
    made: UndoRecords = MemoryUndoRecords()
    if request.param == "on the API server":
        made = StoredUndoRecords(connection, "vmbackup-system", "one")
    yield made
    while left := await made.all():
        for record in left:
            await made.drop(record.virtual_machine_id, record.run_id)


async def test_a_claim_is_kept_replaced_listed_and_dropped(records: UndoRecords) -> None:
    stored = replace(RECORD, stored=True)

    assert await records.claim(RECORD) is None
    assert await records.claim(RECORD) is None
    await records.keep(stored)
    kept = list(await records.all())
    assert await records.find_claim(VM.upper()) == stored
    await records.drop(VM, RECORD.run_id)
    await records.drop(VM, RECORD.run_id)

    assert kept == [stored]
    assert list(await records.all()) == []
    assert await records.find_claim(VM) is None


async def test_of_many_that_claim_a_vm_at_once_one_has_it(
    connection: Connection, records: UndoRecords
) -> None:
    several: list[UndoRecords] = [records] * 4
    if isinstance(records, StoredUndoRecords):
        several = [StoredUndoRecords(connection, "vmbackup-system", "one") for _ in range(4)]
    wanted = [
        replace(RECORD, run_id=RunId(f"{number:032x}"), uid=f"uid-{number}") for number in range(20)
    ]

    held = await asyncio.gather(
        *(several[number % 4].claim(each) for number, each in enumerate(wanted))
    )

    winners = [each for each, other in zip(wanted, held, strict=True) if other is None]
    assert len(winners) == 1
    assert [each for each in held if each is not None] == winners * 19
    assert list(await records.all()) == winners


async def test_a_claim_passes_on_once_and_what_was_held_is_kept(
    records: UndoRecords,
) -> None:
    third = replace(OTHER, uid="3", run_id=RunId("3" * 32))
    await records.claim(RECORD)

    await records.take_over(RECORD, OTHER)
    with pytest.raises(Conflict):
        await records.take_over(RECORD, third)

    assert await records.find_claim(VM) == OTHER
    assert {each.run_id for each in await records.all()} == {RECORD.run_id, OTHER.run_id}
    await records.keep(replace(RECORD, stored=True))
    assert await records.find_claim(VM) == OTHER
    await records.drop(VM, RECORD.run_id)
    assert list(await records.all()) == [OTHER]


async def test_of_two_that_take_a_claim_over_at_once_one_has_it(
    records: UndoRecords,
) -> None:
    await records.claim(RECORD)
    wanted = [replace(OTHER, uid=str(number), run_id=RunId(f"{number:032x}")) for number in (1, 2)]

    answers = await asyncio.gather(
        *(records.take_over(RECORD, each) for each in wanted), return_exceptions=True
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "NoneType"]
    winner = wanted[answers.index(None)]
    assert await records.find_claim(VM) == winner


async def test_the_claim_of_another_session_is_not_dropped(records: UndoRecords) -> None:
    await records.claim(RECORD)

    await records.drop(VM, OTHER.run_id)

    assert await records.find_claim(VM) == RECORD


async def test_another_appliances_records_are_not_ours(
    connection: Connection, records: UndoRecords
) -> None:
    other = StoredUndoRecords(connection, "vmbackup-system", "two")
    await records.claim(RECORD)

    assert list(await other.all()) == []
    assert await other.find_claim(VM) is None
