"""The operator killed at the first write of each kind, before and after it applies.

Whatever was begun, a first backup that builds a region, an increment, or what is read back, asks
Azure for the same as one that nobody disturbs.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scenario.killing import (
    Begin,
    Ended,
    environment_of,
    killed_at,
    left_behind,
    snapshots_of,
    undisturbed,
)
from tests.scenario.points import WHENS, Point, differences, every_point
from tests.scenario.small_machines import Machine, small_machine, write_on
from tests.scenario.stage import Stage
from tools.local_cloud.disk_images import MIB

pytestmark = [pytest.mark.survival, pytest.mark.timeout(7200)]

Record = Callable[[str, object], None]
#: POINTS asks for so many of each run's points, drawn from the seed, in place of all.
POINTS = int(os.environ.get("POINTS") or 0)
#: Where nobody is disturbed, and where the operator is killed: each is built for the first time.
REGIONS = {"undisturbed": "swedencentral", "before": "uksouth", "after": "eastus"}


@dataclass(frozen=True, slots=True)
class Kept:
    """A VM of its own region, and the name of each session of it."""

    stage: Stage
    machine: Machine
    where: str

    def back_up(self, name: str) -> None:
        """Ask for a backup that keeps one snapshot set."""
        self.stage.back_up(name, self.machine.id)

    def read_back(self, name: str) -> None:
        """Ask for all to be read back that is stored of the VM."""
        self.stage.create(
            "BackupSession",
            name,
            {
                "type": "Verify",
                "virtualMachineId": self.machine.id,
                "repositoryRef": {"name": "west-europe"},
                "retryBackoffSeconds": 1,
                "verify": {"rereadPerMille": 0, "samplePerDisk": 20},
            },
        )


@pytest.fixture(scope="module")
def kept(stage: Stage) -> dict[str, Kept]:
    """Return a VM in each of the regions."""
    return {
        where: Kept(stage, small_machine(stage, f"kept-{where}", disks=2, region=region), where)
        for where, region in REGIONS.items()
    }


@pytest.mark.parametrize("what", ["full", "incremental", "verify"])
def test_killed_at_every_point_a_session_asks_for_no_more(
    stage: Stage,
    kept: dict[str, Kept],
    what: str,
    seed: str,
    tmp_path: Path,
    record_property: Record,
) -> None:
    if what == "incremental":
        for each in kept.values():
            write_on(stage, each.machine, 1, MIB)
    one = undisturbed(stage, f"{what}-undisturbed", _begin(kept["undisturbed"], what))
    assert one.status["outcome"] == "Succeeded", one.status
    for when in WHENS:
        points, here = some_of(every_point(one.entries, when), f"{what}-{seed}"), kept[when]

        other, passed = killed_at(stage, f"{what}-{when}", _begin(here, what), points)

        record_property(f"killed {when}", f"{len(passed)} of {len(points)} points")
        assert set(passed) == set(points)
        assert_same(stage, one, other)
        if what != "verify":
            run_id = other.status["runId"]
            assert stage.points().count(run_id) == 1
            assert stage.restored_wrongly(run_id, here.machine.disks, tmp_path / when) == []


def some_of(points: Sequence[Point], seed: str) -> Sequence[Point]:
    """Return all *points*, or so many of them as POINTS asks for."""
    drawn = random.Random(seed)  # noqa: S311 - which points, no secret
    return drawn.sample(points, POINTS) if 0 < POINTS < len(points) else points


def _begin(kept: Kept, what: str) -> Begin:
    return kept.read_back if what == "verify" else kept.back_up


def assert_same(stage: Stage, one: Ended, other: Ended) -> None:
    """Two sessions of the same kind came to the same, and asked for the same."""
    assert other.status["outcome"] == "Succeeded", other.status
    assert other.status["attempt"] == 1
    assert differences(one.changes, other.changes) == []
    assert left_behind(stage, other) == []
    assert environment_of(stage, other.status) == environment_of(stage, one.status)
    assert len(snapshots_of(stage, other.status)) == len(snapshots_of(stage, one.status))
