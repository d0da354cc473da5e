"""Jobs of upkeep in memory, and those of the operator over containers in memory."""

from __future__ import annotations

import pytest

from tests.contract.ports.upkeep_facts import UpkeepFacts, UpkeepPlace
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_points import USER_KEY
from tests.worlds.memory_upkeep import MemoryUpkeepJobs
from tests.worlds.upkept_repository import UpkeptRepository
from vmbackup_operator.model.backup_repository import LogHead


class TestMemoryUpkeepJobs(UpkeepFacts):
    over = (MemoryUpkeepJobs,)

    @pytest.fixture
    def upkeep_place(self) -> UpkeepPlace:
        jobs = MemoryUpkeepJobs()

        async def put_back() -> LogHead:
            jobs.put_back_to = LogHead(5, "5" * 64)
            return jobs.put_back_to

        return UpkeepPlace(jobs, ready_repository(), USER_KEY, put_back)


class TestRepositoryUpkeep(UpkeepFacts):
    """In pieces of a second, which is all at once here, and in the smallest that there are."""

    @pytest.fixture(params=[1.0, 0.0])
    async def upkeep_place(self, request: pytest.FixtureRequest) -> UpkeepPlace:
        upkept = UpkeptRepository(piece_s=request.param)
        await upkept.back_up(2)

        async def put_back() -> LogHead:
            return upkept.put_back()

        return UpkeepPlace(upkept.jobs, upkept.repository, USER_KEY, put_back)
