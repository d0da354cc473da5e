"""What is logged while an object is looked at names the id that Azure is told of that look."""

from __future__ import annotations

import asyncio

from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.log_context import log_context
from vmbackup_operator.reconciling.outcome import Done, Outcome
from vmbackup_operator.services.correlation import PROCESS
from vmbackup_operator.wiring.operating import Operator


async def test_each_look_has_a_correlation_id_of_its_own_in_its_lines() -> None:
    ids: list[object] = []
    both = asyncio.Event()

    async def look(_key: ObjectKey) -> Outcome:
        ids.append(log_context().get("correlationId"))
        if len(ids) == 2:
            both.set()
        return Done()

    operator = Operator()
    operator.serve({"BackupSession": look})
    for name in ("one", "two"):
        operator.seen("BackupSession", ObjectKey("team", name))
    async with operator.queue.running():
        await asyncio.wait_for(both.wait(), 10)

    assert len(set(ids)) == 2
    assert all(str(each).endswith(PROCESS) for each in ids)
