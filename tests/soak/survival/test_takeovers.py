"""Of two operators the one that leads is killed, paused and cut off, the API server killed.

Who leads then, and when.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenario import two_operators
from tests.scenario.killing import Ended, has_ended, left_behind
from tests.scenario.small_machines import small_machine, write_on
from tests.scenario.stage import SESSION_LIMIT_S, Stage
from tests.scenario.test_two_operators import made_twice
from tests.scenario.two_operators import Pair
from tools.local_cloud.disk_images import MIB

pytestmark = [pytest.mark.survival, pytest.mark.timeout(7200)]

Record = Callable[[str, object], None]

#: So many sessions for each way; ROUNDS asks for more or fewer.
ROUNDS = int(os.environ.get("ROUNDS") or 4)
LONGEST_LIFE_S = 8.0


def _pause(pair: Pair) -> float:
    took_s = pair.pause()
    pair.go_on()
    return took_s


WAYS: dict[str, Callable[[Stage, Pair], float]] = {
    "killed": lambda _stage, pair: pair.kill(),
    "paused": lambda _stage, pair: _pause(pair),
    "cut off": lambda stage, pair: pair.cut_off(stage),
    "without API server": lambda stage, pair: pair.restart_api_server(stage),
}


@pytest.mark.parametrize("way", WAYS)
def test_however_the_leader_is_lost_the_other_one_goes_on_alone(
    stage: Stage,
    way: str,
    seed: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    drawn = random.Random(f"takeovers-{way}-{seed}")  # noqa: S311 - which moments, no secret
    name = f"takeovers-{way.lower().replace(' ', '-')}"
    machine, took_s = small_machine(stage, name, disks=2), list[float]()
    record_property("one led again after, in s", took_s)
    with two_operators.a_pair(stage) as pair:
        for number in range(ROUNDS):
            session, since = f"{name}-{number}", stage.azure.last_entry()
            write_on(stage, machine, number, MIB)
            stage.back_up(session, machine.id)
            until = time.monotonic() + SESSION_LIMIT_S * 2
            while not has_ended(stage, session):
                assert time.monotonic() < until, f"{session} never ended: {stage.status(session)}"
                time.sleep(drawn.uniform(0, LONGEST_LIFE_S))
                if not has_ended(stage, session):
                    took_s.append(round(WAYS[way](stage, pair), 1))
                    if not pair.standby.runs:
                        pair.standby.start()
            ended = Ended(stage.status(session), stage.azure.journal(since))
            assert_alone(stage, ended)
            run_id = ended.status["runId"]
            assert stage.restored_wrongly(run_id, machine.disks, tmp_path / session) == []


def assert_alone(stage: Stage, ended: Ended) -> None:
    """A session ended well, and never did two operators write to Azure in turns."""
    assert ended.status["outcome"] == "Succeeded", ended.status
    assert ended.status["attempt"] == 1
    wrote = two_operators.writers(ended.entries)
    assert len(wrote) == len(set(wrote))
    assert made_twice(ended.entries) == []
    assert left_behind(stage, ended) == []
