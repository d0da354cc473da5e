"""A worker's VM lost at each of its points, one after the other, in one session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenario.killing import BACKUP, Ended, still_running
from tests.scenario.lost_workers import WAYS, lose_worker_at_each
from tests.scenario.points import still_open
from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage
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


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_lost_at_each_of_its_points_is_replaced_and_the_session_ends_complete(
    stage: Stage, way: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    name = f"workers-{way}"
    machine, since = small_machine(stage, name, disks=2), stage.azure.last_entry()
    lost: list[str] = []
    record_property("lost", lost)

    def begin() -> None:
        stage.back_up(name, machine.id, retryLimit=len(POINTS))

    lost.extend(lose_worker_at_each(stage, (BACKUP, name), begin, way, POINTS))

    ended = Ended(stage.status(name), stage.azure.journal(since))
    record_property("attempts", ended.status["attempt"])
    assert ended.status["outcome"] == "Succeeded", ended.status
    assert still_open(ended.entries) == []
    assert still_running(stage, ended.status) == []
    assert made_twice(ended.entries) == []
    assert stage.points().count(ended.status["runId"]) == 1
    assert stage.restored_wrongly(ended.status["runId"], machine.disks, tmp_path) == []
