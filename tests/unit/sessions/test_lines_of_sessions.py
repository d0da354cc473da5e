"""What the log's lines of a session carry beside their message."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from typing_extensions import override

from tests.worlds.memory_world import World
from tests.worlds.samples import KEY
from vmbackup_operator.reconciling.log_context import Fields, log_context
from vmbackup_operator.sessions import reporting


class Heard(logging.Handler):
    """Keeps each line with what it is about, as whoever writes lines finds it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, Fields]] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.getMessage(), dict(log_context())))


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler = Heard()
    level = reporting.log.level
    reporting.log.addHandler(handler)
    reporting.log.setLevel(logging.INFO)
    yield handler
    reporting.log.removeHandler(handler)
    reporting.log.setLevel(level)


async def test_each_line_of_a_session_names_it_its_step_and_its_attempt(
    world: World, heard: Heard
) -> None:
    await world.run()

    by_step = {fields["step"]: fields for message, fields in heard.lines if " True: " in message}
    assert {"SnapshotsReady", "DataTransferred", "RecoveryPointStored"} <= by_step.keys()
    assert {fields["session"] for fields in by_step.values()} == {str(KEY)}
    assert {fields["attempt"] for fields in by_step.values()} == {1}


async def test_a_line_of_another_attempt_says_which(world: World, heard: Heard) -> None:
    await world.run_until("Accepted")
    await world.look()
    world.azure.broken_snapshots.add(next(iter(world.azure.snapshots.values())).id)

    await world.run()

    assert {fields["attempt"] for _, fields in heard.lines} >= {1, 2}
