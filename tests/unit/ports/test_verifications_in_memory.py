"""What is read back of a repository in memory is what is read back of one in Azure."""

from __future__ import annotations

import pytest

from tests.contract.ports.point_facts import PointPlace
from tests.contract.ports.verification_facts import VerificationFacts, VerificationPlace
from tests.worlds.memory_cluster import ready_repository
from tests.worlds.memory_points import MemoryPoints
from tests.worlds.memory_verifications import MemoryVerifications
from vmbackup_core.repository.control.backup.preparing import PreparedDisk
from vmbackup_operator.sessions.seen import DiskWritten


class TestMemoryVerifications(VerificationFacts):
    over = (MemoryVerifications,)

    @pytest.fixture
    def reading(self) -> VerificationPlace:
        points = MemoryPoints()

        async def write(prepared: PreparedDisk) -> DiskWritten:
            written = points.written(prepared.keys, prepared.grant)
            return DiskWritten(written.manifest, written.sha256)

        place = PointPlace(points, ready_repository(), write)
        return VerificationPlace(place, MemoryVerifications(points))
