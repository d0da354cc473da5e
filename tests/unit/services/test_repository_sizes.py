"""How large a repository is, as Prune finds it, piece by piece."""

from __future__ import annotations

import re

import pytest

from tests.worlds.upkept_repository import UpkeptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.primitives.names import commit_name

DAY_S = 86_400


@pytest.fixture(params=[1.0, 0.0], ids=["at once", "in pieces"])
def upkept(request: pytest.FixtureRequest) -> UpkeptRepository:
    """Return a repository whose pieces are long or as small as they can be."""
    return UpkeptRepository(piece_s=request.param)


async def test_prune_says_how_much_lies_there_when_it_has_seen_all_of_it(
    upkept: UpkeptRepository,
) -> None:
    await upkept.back_up(3)
    before = await upkept.through("Prune")
    await upkept.through("Expire")
    upkept.clock.turn(2 * DAY_S)
    await upkept.through("Expire")
    pruned = await upkept.through("Prune")

    places = [upkept.points.containers.container("backups"), upkept.points.control]
    stored = [
        each.size_bytes
        for place in places
        for each in place.list("c/")
        if re.search(r"/[pimhx]/", each.name)
    ]
    assert pruned.stored_bytes == sum(stored)
    assert before.stored_bytes is not None
    assert before.stored_bytes > sum(stored)


async def test_of_a_repository_that_was_not_seen_whole_no_size_is_said(
    upkept: UpkeptRepository,
) -> None:
    await upkept.back_up(3)
    stored = next(iter(upkept.points.containers.container("backups").list("c/")))
    chain = stored.name.split("/")[1]
    upkept.points.control.delete(commit_name(ChainId(chain), CommitSlot(2)))

    assert (await upkept.through("Prune")).stored_bytes is None
