"""A long pack list is recounted over many turns, and backups have theirs in between."""

from __future__ import annotations

import pytest

from tests.worlds.upkept_repository import UpkeptRepository
from vmbackup_core.errors import TransientError
from vmbackup_operator.services.upkeep_progress import SoFar
from vmbackup_operator.upkeep.ports import GoOn


async def test_backups_have_their_turns_while_one_list_is_recounted() -> None:
    upkept = UpkeptRepository(piece_s=0)
    await upkept.back_up(2)
    cursor, turns = "", 0

    while isinstance(found := await upkept.piece("Lists", cursor), GoOn):
        cursor = found.cursor
        if not SoFar.parse(cursor).of("right"):
            turns += 1
            await upkept.back_up(1)

    assert turns > 1
    assert found.message == f"{2 + turns} pack lists recounted and right"


async def recounted_twice(upkept: UpkeptRepository) -> str:
    """Have two pieces of the first list's recount done, and return where the job is."""
    await upkept.back_up(2)
    cursor = ""
    for _ in range(2):
        found = await upkept.piece("Lists", cursor)
        assert isinstance(found, GoOn)
        cursor = found.cursor
    assert not SoFar.parse(cursor).of("right")
    return cursor


async def test_a_recount_begins_anew_after_a_restart() -> None:
    upkept = UpkeptRepository(piece_s=0)
    cursor = await recounted_twice(upkept)
    upkept.restart()

    done = await upkept.through("Lists", cursor)

    assert done.message == "2 pack lists recounted and right"


async def test_a_recount_begins_anew_after_a_failure_in_the_midst_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upkept = UpkeptRepository(piece_s=0)
    cursor = await recounted_twice(upkept)

    def fail(_name: str, *, most: int | None = None) -> bytes:
        raise TransientError(f"no answer, of {most} bytes at most")

    with monkeypatch.context() as patched:
        patched.setattr(upkept.points.control, "get", fail)
        with pytest.raises(TransientError):
            await upkept.through("Lists", cursor)
    done = await upkept.through("Lists", cursor)

    assert done.message == "2 pack lists recounted and right"


async def test_a_pass_that_begins_leaves_no_recount_of_the_one_before() -> None:
    upkept = UpkeptRepository(piece_s=0)
    await upkept.back_up(1)
    await upkept.piece("Lists")
    (chain,) = upkept.points.commits
    upkept.points.control.delete(f"c/{chain}/{upkept.points.commits[chain][0].pack_list[0].name}")

    done = await upkept.through("Lists")

    assert done.findings
