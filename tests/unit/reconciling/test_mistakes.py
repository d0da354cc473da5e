"""A mistake of the operator's own shows on the object that met it."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.worlds.memory_cluster import ready_repository
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import TransientError
from vmbackup_operator.model.backup_repository import BackupRepository
from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.reconciling.mistakes import Standing, shows_mistakes
from vmbackup_operator.reconciling.outcome import Done, Outcome, Waiting

KEY = ready_repository().metadata.key


class Stored:
    def __init__(self) -> None:
        self.repository: BackupRepository | None = ready_repository()
        self.writes = 0

    async def find(self, key: ObjectKey) -> BackupRepository | None:
        return self.repository if key == KEY else None

    async def write_status(self, wanted: BackupRepository, /) -> BackupRepository:
        self.repository = wanted
        self.writes += 1
        return wanted


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    async def tell(
        self, about: Standing, kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        assert about.metadata.key == KEY
        self.events.append((kind, reason, message))


async def mistaken(_key: ObjectKey) -> Outcome:
    raise KeyError("a secret of its own")


async def test_it_is_a_condition_and_an_event_with_its_class_and_looked_at_again_slowly() -> None:
    stored, told = Stored(), Told()
    reconcile = shows_mistakes(mistaken, stored, told, TurnedClock())

    outcomes = [await reconcile(KEY) for _ in range(3)]

    assert stored.repository is not None
    said = find_condition(stored.repository.status.conditions, "Stalled")
    assert said is not None
    assert (said.status, said.reason) == ("True", "InternalError")
    assert "KeyError" in said.message
    assert "a secret of its own" not in said.message
    assert told.events == [("Warning", "InternalError", said.message)]
    assert stored.writes == 1
    assert [each.seconds for each in outcomes if isinstance(each, Waiting)] == [300, 300, 300]


async def test_what_is_foreseen_goes_its_own_way() -> None:
    stored, told = Stored(), Told()

    async def refused(_key: ObjectKey) -> Outcome:
        raise TransientError("503")

    async def done(_key: ObjectKey) -> Outcome:
        return Done("well")

    with pytest.raises(TransientError):
        await shows_mistakes(refused, stored, told, TurnedClock())(KEY)
    assert await shows_mistakes(done, stored, told, TurnedClock())(KEY) == Done("well")
    assert (stored.writes, told.events) == (0, [])


async def test_an_object_that_has_gone_is_no_trouble() -> None:
    stored, told = Stored(), Told()
    stored.repository = None

    outcome = await shows_mistakes(mistaken, stored, told, TurnedClock())(KEY)

    assert isinstance(outcome, Waiting)
    assert told.events == []
