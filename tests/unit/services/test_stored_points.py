"""What a recovery point says as it is stored is what its object shows."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from tests.worlds.memory_azure import APPLIANCE
from tests.worlds.upkept_repository import UpkeptRepository
from vmbackup_core.ids import RepositoryId, RunId
from vmbackup_core.repository.control.points.points import Origin
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.retention.in_force import Stamp
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.retention import SessionRetention
from vmbackup_operator.services.stored_points import as_seen, as_stored
from vmbackup_operator.sessions.point_mirror import mirror_of

ELSEWHERE = Origin(
    repository_id=RepositoryId("e" * 32), vm=VmId("b" * 32), run_id=RunId("a" * 32), sha256="0" * 64
)


@pytest.mark.parametrize(("origin", "shown"), [(None, "Backup"), (ELSEWHERE, "Archive")])
async def test_a_point_that_was_copied_from_another_repository_is_shown_as_an_archive(
    origin: Origin | None, shown: str
) -> None:
    upkept = UpkeptRepository()
    wanted = await upkept.committed()
    stamp = Stamp(wanted.retention.rule)
    point = as_stored(wanted, RepositoryId("f" * 32), APPLIANCE, None, stamp)

    seen = as_seen(replace(point, origin=origin))

    assert mirror_of(seen, upkept.repository, APPLIANCE).spec.type == shown


async def test_a_policy_finds_its_last_point_behind_many_of_another_one() -> None:
    """One backs up weekly, another one hourly: what the first waits for is not forgotten."""
    upkept = UpkeptRepository()
    weekly, hourly = ObjectKey("team", "weekly"), ObjectKey("team", "hourly")
    long, short = SessionRetention(last=9), SessionRetention(last=1)

    async def back_up(policy: ObjectKey, retention: SessionRetention) -> Stamp:
        wanted = dataclasses.replace(await upkept.committed(), policy=policy, retention=retention)
        stamp = (await upkept.place.record(wanted)).stamp
        assert stamp is not None
        return stamp

    await back_up(weekly, long)
    for _ in range(20):
        await back_up(hourly, short)
    stamp = await back_up(weekly, short)

    assert stamp.retention == short.rule
    assert [each.retention for each in stamp.held] == [long.rule]
