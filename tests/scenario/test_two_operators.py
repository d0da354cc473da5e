"""Two operators of one appliance: whatever befalls the one that leads, the other goes on alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.scenario import two_operators
from tests.scenario.killing import Ended, has_ended, left_behind, let_go_of_gone
from tests.scenario.points import Raw
from tests.scenario.small_machines import small_machine
from tests.scenario.stage import SESSION_LIMIT_S, Stage, eventually

pytestmark = pytest.mark.timeout(1500)

EVENTS = "^/vmb-events-[^/]+/messages$"


def test_killed_paused_and_cut_off_the_leader_is_replaced_and_never_do_two_write(
    stage: Stage, tmp_path: Path
) -> None:
    machine, since = small_machine(stage, "led"), stage.azure.last_entry()
    packs = stage.hold_packs()
    with two_operators.a_pair(stage) as pair:
        stage.back_up("led", machine.id)
        stage.caught(packs, "a pack's write")

        pair.restart_api_server(stage)
        pair.cut_off(stage)
        pair.pause()
        pair.go_on()
        pair.standby.start()
        taken = _taken_and_not_heard(stage, packs)
        pair.kill()
        let_go_of_gone(stage, [taken])
        eventually(lambda: has_ended(stage, "led"), bool, "it has ended", SESSION_LIMIT_S)
        # Before the stage's own operator leads again, which may write at once.
        session = Ended(stage.status("led"), stage.azure.journal(since))
        led = [who for each in (pair.leader, pair.standby) for who in two_operators.terms(each)]

    assert session.status["outcome"] == "Succeeded", session.status
    assert session.status["attempt"] == 1
    wrote = two_operators.writers(session.entries)
    assert len(wrote) >= 3
    assert len(wrote) == len(set(wrote))
    assert set(wrote) <= set(led)
    assert made_twice(session.entries) == []
    assert left_behind(stage, session) == []
    assert stage.restored_wrongly(session.status["runId"], machine.disks, tmp_path) == []


def _taken_and_not_heard(stage: Stage, packs: str) -> str:
    """Have the leader take the worker's last word, which it never gets to hear; return the hold."""
    asked = stage.azure.hold("before", service="queue", method="GET", path=EVENTS)
    stage.caught(asked, "the question for messages")
    since = stage.azure.last_entry()
    stage.azure.let_go(packs)
    eventually(
        lambda: [each for each in stage.azure.journal(since) if _ends_its_job(each)],
        bool,
        "the worker has said that it is done",
        SESSION_LIMIT_S,
    )
    taken = stage.azure.hold("after", service="queue", method="GET", path=EVENTS)
    stage.azure.let_go(asked)
    stage.caught(taken, "messages that were taken")
    return taken


def _ends_its_job(entry: Raw) -> bool:
    """Tell whether a worker removes its job's message: its last word was sent by then."""
    return bool(
        entry["service"] == "queue"
        and entry["method"] == "DELETE"
        and entry["caller"] != "appliance"
        and entry["path"].startswith("/vmb-jobs-")
    )


def made_twice(entries: Iterable[Raw]) -> list[str]:
    """Return what was made or begun more than once: a VM, a snapshot, a queue, a commit."""
    made = Counter(
        f"{each['method']} {each['host']} {each['path'].lower()}"
        for each in entries
        if each["caller"] == "appliance"
        and each["method"] == "PUT"
        and each["status"] in {201, 202}
    )
    return [what for what, often in made.items() if often > 1]
