"""While a worker is at it, the session shows how far it is."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.small_machines import DATA_BYTES, small_machine
from tests.scenario.stage import Stage, eventually

#: What the agent reads at once, so the piece that is missing while one read is held.
READ_BYTES = 4 * 1024 * 1024

#: The agent speaks every 2 s and a status is written for it every 10 s at most.
SHOWN_WITHIN_S = 20


def test_progress_is_shown_within_seconds(stage: Stage, tmp_path: Path) -> None:
    machine = small_machine(stage, "progressing")
    held = stage.azure.hold("before", service="export", method="GET", query="^(?!.*comp=pagelist)")
    stage.back_up("progressing", machine.id)
    stage.caught(held, "a read of the export")

    left = range(1, READ_BYTES + 1)
    shown = eventually(
        lambda: stage.status("progressing").get("progress", {}),
        lambda progress: DATA_BYTES - progress.get("bytesRead", 0) in left,
        "all but the held read is shown as done",
        SHOWN_WITHIN_S,
    )
    columns = stage.status("progressing")["display"]
    stage.azure.let_go(held)

    assert shown["bytesToRead"] == DATA_BYTES
    assert 0 < shown["percent"] < 100
    assert columns["progress"] == f"{shown['percent']}%"
    status = stage.outcome("progressing")
    assert status["outcome"] == "Succeeded", status
    assert status["progress"]["percent"] == 100
    assert stage.restored_wrongly(status["runId"], machine.disks, tmp_path) == []
