"""Repositories of tier Archive: what the API server refuses of them."""

from __future__ import annotations

import pytest

from tests.cluster.crd_objects import RIGHT, Writer, changed
from vmbackup_core.errors import PermanentError

REPOSITORIES = "backuprepositories"
WARM = RIGHT[REPOSITORIES]
ARCHIVE = changed(WARM, "spec.tier", "Archive")


async def test_a_repository_of_tier_archive_is_accepted_and_stays_one(writer: Writer) -> None:
    await writer.create(REPOSITORIES, ARCHIVE)

    with pytest.raises(PermanentError, match="from its beginning, or never"):
        await writer.merge(REPOSITORIES, "spec.tier", "Cold")


async def test_one_of_another_tier_never_becomes_one(writer: Writer) -> None:
    await writer.create(REPOSITORIES, WARM)

    with pytest.raises(PermanentError, match="from its beginning, or never"):
        await writer.merge(REPOSITORIES, "spec.tier", "Archive")
    await writer.merge(REPOSITORIES, "spec.tier", "Cold")


async def test_it_locks_nothing(judge: Writer) -> None:
    locking = {"generationDays": 30}

    await judge.create(REPOSITORIES, changed(WARM, "spec.immutability", locking), dry=True)
    with pytest.raises(PermanentError, match="locks nothing"):
        await judge.create(REPOSITORIES, changed(ARCHIVE, "spec.immutability", locking), dry=True)
