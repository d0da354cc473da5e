"""An operator with nothing to do writes nothing to Azure, and to Kubernetes that it leads."""

from __future__ import annotations

import time

from tests.scenario.small_machines import small_machine
from tests.scenario.stage import Stage, eventually
from tools.demo.facts import OPERATOR_USER
from tools.demo.journal import Entry

#: So long nothing may be written: longer than the pause between two looks at the events queue.
CALM_S = 25

#: What a worker said last may be taken from the queue somewhat later than its session ended.
CALM_WITHIN_S = 75

READS = {"GET", "HEAD", "CONNECT"}
KUBERNETES_WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def azure_writes(entries: list[Entry]) -> list[str]:
    return [
        f"{entry.service} {entry.method} {entry.path}"
        for entry in entries
        if entry.service in {"arm", "blob", "queue"}
        and entry.caller == "appliance"
        and entry.method not in READS
    ]


def kubernetes_writes(stage: Stage, since: int) -> list[str]:
    return [
        f"{line['verb']} {line['requestURI']}"
        for line in stage.plane.audited()[since:]
        if line["user"]["username"] == OPERATOR_USER
        and line["verb"] in KUBERNETES_WRITES
        and "/leases/" not in line["requestURI"]  # whoever leads says so every two seconds
    ]


def unfinished(stage: Stage) -> list[str]:
    """Return the sessions that still have something to undo, or to tidy."""
    return [
        each["metadata"]["name"]
        for each in stage.get("backupsessions")["items"]
        if each["metadata"].get("finalizers")
    ]


def test_when_everything_has_ended_nothing_is_written_any_more(stage: Stage) -> None:
    machine = small_machine(stage, "before-the-calm")
    began, audited_before = stage.azure.last_entry(), len(stage.plane.audited())
    stage.back_up("before-the-calm", machine.id)
    status = stage.outcome("before-the-calm")
    eventually(lambda: unfinished(stage), lambda names: not names, "everything has ended")
    last, audited = stage.azure.last_entry(), len(stage.plane.audited())

    written: list[str] = []
    calm_since = time.monotonic()

    def calm_for_s() -> float:
        nonlocal written, calm_since
        now = azure_writes(stage.entries(last)) + kubernetes_writes(stage, audited)
        if now != written:
            written, calm_since = now, time.monotonic()
        return time.monotonic() - calm_since

    eventually(calm_for_s, lambda calm_s: calm_s > CALM_S, "nothing is written", CALM_WITHIN_S)

    assert [each for each in written if "/messages" not in each] == []
    assert status["outcome"] == "Succeeded", status
    assert azure_writes(stage.entries(began))
    assert kubernetes_writes(stage, audited_before)
