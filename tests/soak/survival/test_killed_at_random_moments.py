"""The operator killed at 200 moments drawn from the seed, while sessions of all kinds go on."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenario.killing import Ended, has_ended, left_behind
from tests.scenario.small_machines import Machine, small_machine, write_on
from tests.scenario.stage import SESSION_LIMIT_S, Stage
from tools.local_cloud.disk_images import MIB

pytestmark = [pytest.mark.survival, pytest.mark.timeout(6 * 3600)]

#: MOMENTS asks for fewer.
MOMENTS = int(os.environ.get("MOMENTS") or 200)
#: A life lasts at most so long behind its start: what a session does in one is much less.
LONGEST_LIFE_S = 6.0


def test_killed_at_random_moments_every_session_ends_complete(
    stage: Stage, seed: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    drawn = random.Random(f"moments-{seed}")  # noqa: S311 - which moments, no secret
    machine = small_machine(stage, f"moments-{seed}", disks=2)
    kills, sessions = 0, 0
    try:
        while kills < MOMENTS:
            sessions += 1
            name, since = f"moments-{seed}-{sessions}", stage.azure.last_entry()
            write_on(stage, machine, sessions, MIB)
            _begin(stage, name, machine, is_reading=sessions % 3 == 0)
            kills += _killed_until_it_has_ended(stage, name, drawn, MOMENTS - kills)
            ended = Ended(stage.status(name), stage.azure.journal(since))
            assert_well(stage, ended, machine, tmp_path / name)
    finally:
        record_property("moments", f"{kills} of {MOMENTS}")
        record_property("sessions", sessions)


def _begin(stage: Stage, name: str, machine: Machine, *, is_reading: bool) -> None:
    if not is_reading:
        stage.back_up(name, machine.id)
        return
    spec = {
        "type": "Verify",
        "virtualMachineId": machine.id,
        "repositoryRef": {"name": "west-europe"},
        "retryBackoffSeconds": 1,
        "verify": {"rereadPerMille": 200, "samplePerDisk": 20},
    }
    stage.create("BackupSession", name, spec)


def _killed_until_it_has_ended(stage: Stage, name: str, drawn: random.Random, most: int) -> int:
    """Kill the operator again and again; return how often it was killed."""
    killed, until = 0, time.monotonic() + SESSION_LIMIT_S * 4
    while not has_ended(stage, name):
        assert time.monotonic() < until, f"{name} never ended: {stage.status(name)}"
        time.sleep(drawn.uniform(0, LONGEST_LIFE_S))
        if killed < most and not has_ended(stage, name):
            stage.operator.kill()
            stage.operator.start()
            killed += 1
    return killed


def assert_well(stage: Stage, ended: Ended, machine: Machine, folder: Path) -> None:
    """A session ended as if nobody had disturbed it, and left nothing."""
    assert ended.status["outcome"] == "Succeeded", ended.status
    assert ended.status["attempt"] == 1
    assert left_behind(stage, ended) == []
    if "snapshotSet" in ended.status:
        run_id = ended.status["runId"]
        assert stage.points().count(run_id) == 1
        assert stage.restored_wrongly(run_id, machine.disks, folder) == []
