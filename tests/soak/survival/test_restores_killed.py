"""Restores whose operator is killed at each kind of write, and whose worker's VM is lost.

However that is, what comes back holds what the VM held, nothing is made twice, and nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.scenario.brought_back import Mode, ToBringBack
from tests.scenario.killing import RESTORE, Ended, killed_at, undisturbed
from tests.scenario.lost_workers import WAYS, lose_worker_at_each
from tests.scenario.points import WHENS, every_point, still_open
from tests.scenario.small_machines import Machine, small_machine
from tests.scenario.stage import Stage
from tests.scenario.test_restore_sessions import GROUP
from tests.scenario.test_two_operators import made_twice
from tests.soak.survival.test_killed_at_every_point import REGIONS, assert_same, some_of
from tools.local_cloud import seed as cloud

pytestmark = [pytest.mark.survival, pytest.mark.timeout(7200)]

Record = Callable[[str, object], None]
MODES: tuple[Mode, ...] = ("Disks", "VirtualMachine")

#: What holds a restore's worker where it has just come to.
POINTS: dict[str, tuple[str, dict[str, str]]] = {
    "said hello": (
        "after",
        {"service": "queue", "method": "POST", "path": "^/vmb-events-[^/]+/messages$"},
    ),
    "has taken its job": ("before", {"service": "export", "method": "HEAD"}),
    "reads a pack": ("before", {"service": "blob", "method": "GET", "path": "/c/[^/]+/p/"}),
    "writes": ("before", {"service": "export", "method": "PUT"}),
    "has written": ("after", {"service": "export", "method": "PUT"}),
    "is done": (
        "before",
        {"service": "queue", "method": "DELETE", "path": "^/vmb-jobs-[^/]+/messages/"},
    ),
}


@pytest.fixture(scope="module")
def machines(stage: Stage) -> dict[str, Machine]:
    """Return a VM in each of the regions."""
    return {
        where: small_machine(stage, f"back-{where}", disks=2, region=region)
        for where, region in REGIONS.items()
    }


def in_group(stage: Stage) -> set[str]:
    return {each.lower() for each in stage.azure.resources(GROUP)}


@pytest.mark.parametrize("mode", MODES)
def test_killed_at_every_point_a_restore_asks_for_no_more(
    stage: Stage, machines: dict[str, Machine], mode: Mode, seed: str, record_property: Record
) -> None:
    asked = {
        where: ToBringBack(stage, machines[where], region, mode)
        for where, region in REGIONS.items()
    }
    for each in asked.values():
        each.back_up_first()
    name, calm, before = mode.lower(), asked["undisturbed"], in_group(stage)
    one = undisturbed(stage, f"{name}-undisturbed", calm.begin, RESTORE)
    assert one.status["outcome"] == "Succeeded", one.status
    assert calm.faults(one.status, before) == []
    for when in WHENS:
        points, here = some_of(every_point(one.entries, when), f"{mode}-{seed}"), asked[when]
        before = in_group(stage)

        other, passed = killed_at(stage, f"{name}-{when}", here.begin, points, RESTORE)

        record_property(f"killed {when}", f"{len(passed)} of {len(points)} points")
        assert set(passed) == set(points)
        assert_same(stage, one, other)
        assert here.faults(other.status, before) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_lost_at_each_of_its_points_is_replaced_and_the_disks_are_whole(
    stage: Stage, way: str, record_property: Record
) -> None:
    name = f"back-without-{way}"
    machine = small_machine(stage, name, disks=2)
    asked = ToBringBack(stage, machine, cloud.VM_REGION, "Disks")
    asked.back_up_first()
    before, since = in_group(stage), stage.azure.last_entry()
    lost: list[str] = []
    record_property("lost", lost)

    def begin() -> None:
        asked.begin(name, retryLimit=len(POINTS))

    lost.extend(lose_worker_at_each(stage, (RESTORE, name), begin, way, POINTS))

    ended = Ended(stage.status(name, RESTORE), stage.azure.journal(since))
    record_property("attempts", ended.status["attempt"])
    assert ended.status["outcome"] == "Succeeded", ended.status
    assert still_open(ended.entries) == []
    assert made_twice(ended.entries) == []
    assert asked.faults(ended.status, before) == []
