"""What a repository's jobs promise to the upkeep that asks for them piece by piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import get_args

import pytest

from tests.contract.ports.point_facts import settled
from tests.contract.ports.suites import Suite
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.primitives.user_key import UserKey
from vmbackup_operator.model.backup_repository import BackupRepository, LogHead
from vmbackup_operator.model.conditions import MAX_MESSAGE
from vmbackup_operator.upkeep.ports import GoOn, Job, JobAsked, JobDone, UpkeepJobs

JOBS: tuple[Job, ...] = get_args(Job)
#: What a status has room for.
CURSOR_MOST = 1024
DELETES: tuple[Job, ...] = ("Expire", "Prune")


def asked_for(job: Job, cursor: str = "") -> JobAsked:
    """Return what upkeep asks where no policy is left and nothing else runs."""
    return JobAsked(job, cursor, timedelta(days=7), {}, frozenset(), ())


@dataclass(frozen=True)
class UpkeepPlace:
    """A repository that holds something, whose log can be put back by an object."""

    jobs: UpkeepJobs
    repository: BackupRepository
    key: UserKey
    #: Does that, and returns the head that is there then.
    put_back: Callable[[], Awaitable[LogHead]]
    cursors: list[str] = field(default_factory=list)

    async def piece(self, job: Job, cursor: str = "") -> JobDone | GoOn:
        asked = asked_for(job, cursor)
        return await settled(lambda: self.jobs.work(self.repository, self.key, asked))

    async def through(self, job: Job) -> JobDone:
        """Take a job to its end and keep its cursors."""
        cursor = ""
        for _ in range(1000):
            found = await self.piece(job, cursor)
            if isinstance(found, JobDone):
                return found
            cursor = found.cursor
            self.cursors.append(cursor)
        raise AssertionError(f"{job} does not come to an end")

    async def log_number(self) -> int:
        return await settled(lambda: self.jobs.log_number(self.repository, self.key))

    async def accept(self, head: LogHead) -> None:
        await settled(lambda: self.jobs.accept_history(self.repository, self.key, head))


class UpkeepFacts(Suite):
    """Gets *upkeep_place*."""

    ports = (UpkeepJobs,)

    @pytest.mark.parametrize("job", JOBS)
    async def test_a_job_comes_to_an_end_by_cursors_that_a_status_has_room_for(
        self, upkeep_place: UpkeepPlace, job: Job
    ) -> None:
        done = await upkeep_place.through(job)

        assert done.message
        assert len(done.message) <= MAX_MESSAGE
        assert not done.findings
        assert done.events == ()
        assert all(0 < len(cursor) <= CURSOR_MOST for cursor in upkeep_place.cursors)

    @pytest.mark.parametrize("job", JOBS)
    async def test_what_was_done_before_is_done_again_without_harm(
        self, upkeep_place: UpkeepPlace, job: Job
    ) -> None:
        first = await upkeep_place.through(job)
        cursors = [*upkeep_place.cursors]
        for cursor in cursors:
            await upkeep_place.piece(job, cursor)

        again = await upkeep_place.through(job)

        assert first.findings == again.findings is False

    async def test_the_log_never_gets_shorter(self, upkeep_place: UpkeepPlace) -> None:
        before = await upkeep_place.log_number()
        for job in JOBS:
            await upkeep_place.through(job)

        assert before >= 1
        assert await upkeep_place.log_number() >= before

    @pytest.mark.parametrize("job", DELETES)
    async def test_nothing_is_deleted_where_the_log_was_put_back(
        self, upkeep_place: UpkeepPlace, job: Job
    ) -> None:
        await upkeep_place.log_number()
        await upkeep_place.put_back()

        with pytest.raises(PermanentError) as refused:
            await upkeep_place.through(job)

        assert refused.value.reason == "HistoryRolledBack"

    async def test_what_deletes_nothing_goes_on_there(self, upkeep_place: UpkeepPlace) -> None:
        await upkeep_place.log_number()
        await upkeep_place.put_back()

        assert (await upkeep_place.through("Catalog")).message
        assert (await upkeep_place.through("Check")).message

    async def test_a_history_is_accepted_by_the_head_that_was_found_and_by_no_other(
        self, upkeep_place: UpkeepPlace
    ) -> None:
        await upkeep_place.log_number()
        head = await upkeep_place.put_back()

        with pytest.raises(PermanentError) as refused:
            await upkeep_place.accept(LogHead(head.number, "0" * 64))
        with pytest.raises(PermanentError):
            await upkeep_place.through("Prune")
        await upkeep_place.accept(head)

        assert refused.value.reason == "HistoryDiffers"
        assert not (await upkeep_place.through("Prune")).findings
