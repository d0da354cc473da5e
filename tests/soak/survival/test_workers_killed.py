"""A worker's VM lost at each of its points, one after the other, in one session."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenario.killing import Ended, has_ended, let_go_of_gone, still_running
from tests.scenario.points import still_open
from tests.scenario.small_machines import small_machine
from tests.scenario.stage import SESSION_LIMIT_S, Stage, eventually
from tests.scenario.test_two_operators import made_twice

pytestmark = [pytest.mark.survival, pytest.mark.timeout(7200)]

#: What holds a worker where it has just come to.
POINTS: dict[str, tuple[str, dict[str, str]]] = {
    "said hello": (
        "after",
        {"service": "queue", "method": "POST", "path": "^/vmb-events-[^/]+/messages$"},
    ),
    "has taken its job": (
        "before",
        {"service": "export", "method": "GET", "query": "comp=pagelist"},
    ),
    "reads": ("after", {"service": "export", "method": "GET", "query": "^(?!.*comp=)"}),
    "stores a pack": ("before", {"service": "blob", "method": "PUT", "path": "/c/[^/]+/p/"}),
    "has stored a pack": ("after", {"service": "blob", "method": "PUT", "path": "/c/[^/]+/p/"}),
    "has stored all": ("after", {"service": "blob", "method": "PUT", "path": "/c/[^/]+/m/"}),
    "is done": (
        "before",
        {"service": "queue", "method": "DELETE", "path": "^/vmb-jobs-[^/]+/messages/"},
    ),
}


def _deallocate(stage: Stage, vm_id: str) -> None:
    stage.azure.deallocate(vm_id)


def _crash(stage: Stage, vm_id: str) -> None:
    """End the machine's processes; Azure goes on to say that the VM runs."""
    (pid,) = [
        each["pid"]
        for each in stage.azure.call("GET", "/machines")
        if each["id"].lower() == vm_id.lower()
    ]
    os.kill(pid, signal.SIGKILL)


WAYS: dict[str, Callable[[Stage, str], None]] = {"deallocated": _deallocate, "crashed": _crash}


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_lost_at_each_of_its_points_is_replaced_and_the_session_ends_complete(
    stage: Stage, way: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    name = f"workers-{way}"
    machine, since = small_machine(stage, name, disks=2), stage.azure.last_entry()
    lost: list[str] = []
    record_property("lost", lost)
    for number, (point, (when, match)) in enumerate(POINTS.items()):
        hold = stage.azure.hold(when, **match)
        if number == 0:
            stage.back_up(name, machine.id, retryLimit=len(POINTS))
        eventually(lambda: stage.azure.caught(hold), bool, point, SESSION_LIMIT_S)  # noqa: B023 - called here
        WAYS[way](stage, stage.status(name)["worker"]["vmId"])
        let_go_of_gone(stage, [hold])
        lost.append(point)
    eventually(lambda: has_ended(stage, name), bool, f"{name} has ended", SESSION_LIMIT_S)

    ended = Ended(stage.status(name), stage.azure.journal(since))
    record_property("attempts", ended.status["attempt"])
    assert ended.status["outcome"] == "Succeeded", ended.status
    assert still_open(ended.entries) == []
    assert still_running(stage, ended.status) == []
    assert made_twice(ended.entries) == []
    assert stage.points().count(ended.status["runId"]) == 1
    assert stage.restored_wrongly(ended.status["runId"], machine.disks, tmp_path) == []
