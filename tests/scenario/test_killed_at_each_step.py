"""Killed at the first write of each step, a session asks for no more than one left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenario.killing import (
    Begin,
    Ended,
    environment_of,
    home_stands,
    killed_at,
    left_behind,
    snapshots_of,
    undisturbed,
)
from tests.scenario.points import differences, point_of_each_step
from tests.scenario.small_machines import Machine, small_machine
from tests.scenario.stage import Stage

pytestmark = pytest.mark.timeout(1500)

#: Regions that no other scenario needs: in each an environment is built.
REGIONS = ("swedencentral", "uksouth")
#: The steps of a backup that write to Azure.
WRITING = {
    "SnapshotsReady",
    "EnvironmentReady",
    "WorkerReady",
    "ExportGranted",
    "DataTransferred",
    "Committed",
    "RecoveryPointStored",
    "AccessRevoked",
    "WorkerReleased",
}


def backup_of(stage: Stage, machine: Machine) -> Begin:
    return lambda name: stage.back_up(name, machine.id)


def test_killed_at_each_step_of_a_first_backup_it_does_everything_once(
    stage: Stage, tmp_path: Path
) -> None:
    home_stands(stage)
    calm, killed = (small_machine(stage, f"in-{each}", region=each) for each in REGIONS)
    one = undisturbed(stage, "undisturbed", backup_of(stage, calm))
    log = stage.operator.log.read_text()
    points = point_of_each_step(one.entries, log, f"{stage.namespace}/undisturbed")
    assert set(points) == WRITING

    other, passed = killed_at(stage, "killed", backup_of(stage, killed), points.values())

    assert set(passed) == set(points.values())
    assert_same(stage, one, other)
    run_id = other.status["runId"]
    assert stage.restored_wrongly(run_id, killed.disks, tmp_path) == []


def assert_same(stage: Stage, one: Ended, other: Ended) -> None:
    assert other.status["outcome"] == "Succeeded", other.status
    assert other.status["attempt"] == 1
    assert differences(one.changes, other.changes) == []
    assert left_behind(stage, other) == []
    assert environment_of(stage, other.status) == environment_of(stage, one.status)
    assert len(snapshots_of(stage, other.status)) == len(snapshots_of(stage, one.status))
    assert stage.points().count(other.status["runId"]) == 1
