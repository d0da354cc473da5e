"""What a cluster shows of a repository in memory, in pieces as small as they can be."""

from __future__ import annotations

import pytest

from tests.contract.ports.mirror_facts import MirrorFacts, MirrorPlace, missing, newest
from tests.contract.ports.point_facts import WEB
from tests.unit.repository.opened.whole_bench import replace
from tests.worlds.memory_points import USER_KEY
from tests.worlds.upkept_repository import UpkeptRepository
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.primitives.names import point_name
from vmbackup_operator.services.mirrored_points import StoredMirror


@pytest.fixture
def upkept() -> UpkeptRepository:
    return UpkeptRepository()


@pytest.fixture
def mirror_place(upkept: UpkeptRepository) -> MirrorPlace:
    mirror = StoredMirror(upkept.opened, upkept.clock)
    mirror.piece_s = 0.0
    return MirrorPlace(upkept.place, mirror, USER_KEY)


class TestStoredMirror(MirrorFacts):
    """The operator's own code, over a repository in memory."""


async def test_an_empty_repository_shows_nothing(mirror_place: MirrorPlace) -> None:
    (piece,) = await mirror_place.pieces({})

    assert (piece.newest, piece.missing) == (frozenset(), [])


async def test_a_point_that_does_not_open_is_told_of_and_hides_no_other(
    upkept: UpkeptRepository, mirror_place: MirrorPlace
) -> None:
    damaged, whole = await upkept.back_up(2)
    (entry,) = [each for each in upkept.points.open().counted() if each.run == damaged]
    replace(upkept.points.control, point_name(entry.vm, damaged), b"VMBKPONT")

    pieces = await mirror_place.pieces({})

    assert newest(pieces) == {damaged, whole}
    assert set(missing(pieces)) == {whole}
    assert [each.unseen for each in pieces] == [frozenset({damaged})]
    assert (await mirror_place.piece({damaged: WEB}, "")).unseen == frozenset()


async def test_a_history_that_was_put_back_is_not_shown(
    upkept: UpkeptRepository, mirror_place: MirrorPlace
) -> None:
    await upkept.back_up(2)
    await mirror_place.pieces({})
    upkept.put_back()

    with pytest.raises(PermanentError) as refused:
        await mirror_place.pieces({})

    assert refused.value.reason == "HistoryRolledBack"
