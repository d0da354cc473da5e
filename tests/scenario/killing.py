"""A real operator, killed at chosen requests while a session goes on, and what may be left then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.scenario.points import Kind, Point, Raw, changes, still_open
from tests.scenario.stage import SESSION_LIMIT_S, Stage, eventually
from tools.demo.journal import arm_type
from tools.local_cloud.installation import OPERATOR_NAMESPACE

#: Asks for a session by its name.
Begin = Callable[[str], None]

#: What sessions are called in a command.
BACKUP, RESTORE = "backupsession", "restoresession"

_LOOK_S = 0.1
#: A session is looked at less often than the holds: that takes kubectl.
_LOOK_AT_SESSION_S = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that has ended, with what was asked of Azure meanwhile."""

    status: dict[str, Any]
    entries: Sequence[Raw]

    @property
    def changes(self) -> Counter[Kind]:
        """What was changed in Azure."""
        return changes(self.entries)


def home_stands(stage: Stage) -> None:
    """Return when home region and repository are built: their requests are no session's."""

    def look() -> list[str]:
        environments = stage.plane.administrator.get("regionenvironments", "--all-namespaces")
        repositories = stage.get("backuprepositories")
        return [_ready(each) for each in [*environments["items"], *repositories["items"]]]

    eventually(look, lambda seen: len(seen) > 1 and set(seen) == {"True"}, "home stands", 400)


def _ready(found: dict[str, Any]) -> str:
    conditions = found.get("status", {}).get("conditions", [])
    return next((each["status"] for each in conditions if each["type"] == "Ready"), "")


def has_ended(stage: Stage, name: str, kind: str = BACKUP) -> bool:
    """Tell whether a session has its outcome, and nothing to undo or to tidy any more."""
    session = stage.get(kind, name)
    finalizers = session["metadata"].get("finalizers")
    return "outcome" in session.get("status", {}) and not finalizers


def undisturbed(stage: Stage, name: str, begin: Begin, kind: str = BACKUP) -> Ended:
    """Have a session begun, and return it when it has ended."""
    since = stage.azure.last_entry()
    begin(name)
    eventually(lambda: has_ended(stage, name, kind), bool, f"{name} has ended", SESSION_LIMIT_S)
    return Ended(stage.status(name, kind), stage.azure.journal(since))


def killed_at(
    stage: Stage, name: str, begin: Begin, points: Iterable[Point], kind: str = BACKUP
) -> tuple[Ended, list[Point]]:
    """Have a session begun and kill the operator at each of *points*; return those it came to."""
    since = stage.azure.last_entry()
    waiting = {stage.azure.hold(point.when, **point.kind.match): point for point in points}
    passed: list[Point] = []
    begin(name)
    deadline = time.monotonic() + SESSION_LIMIT_S + 30 * len(waiting)
    try:
        while (caught := _caught(stage, waiting)) or not has_ended(stage, name, kind):
            assert time.monotonic() < deadline, f"{name} never ended: {stage.status(name, kind)}"
            if caught:
                kill_and_start(stage, caught)
                passed += [waiting.pop(hold) for hold in caught]
    finally:
        for hold in waiting:
            stage.azure.let_go(hold)
    return Ended(stage.status(name, kind), stage.azure.journal(since)), passed


def _caught(stage: Stage, waiting: Iterable[str]) -> list[str]:
    """Return the holds that caught anything, or none where nothing was caught for a while."""
    until = time.monotonic() + _LOOK_AT_SESSION_S
    while time.monotonic() < until:
        held = stage.azure.held()
        if caught := [hold for hold in waiting if held[hold]["caught"]]:
            return caught
        time.sleep(_LOOK_S)
    return []


def kill_and_start(stage: Stage, holds: Sequence[str]) -> None:
    """Kill the operator, let go what *holds* caught of it, and start it again."""
    stage.operator.kill()
    let_go_of_gone(stage, holds)
    stage.operator.start()


def let_go_of_gone(stage: Stage, holds: Sequence[str]) -> None:
    """Let go what *holds* caught, once Azure knows that whoever asked is gone."""

    def are_gone() -> bool:
        held = stage.azure.held()
        return all(held[hold]["gone"] == held[hold]["caught"] for hold in holds)

    eventually(are_gone, bool, "who was held is gone")
    for hold in holds:
        stage.azure.let_go(hold)


def left_behind(stage: Stage, ended: Ended) -> list[str]:
    """Return what a session that has ended left of itself, and should not have."""
    left = still_open(ended.entries) + still_running(stage, ended.status)
    found = stage.plane.administrator.get("configmaps", "--namespace", OPERATOR_NAMESPACE)["items"]
    names = [each["metadata"]["name"] for each in found]
    return left + [name for name in names if name != "kube-root-ca.crt"]


def still_running(stage: Stage, status: dict[str, Any]) -> list[str]:
    """Return the workers that run in the region of a session: others may have work in theirs."""
    group = f"/resourcegroups/{status['resolved']['environment']['resourceGroup']}/".lower()
    machines = stage.azure.call("GET", "/machines")
    return [each["id"] for each in machines if each["running"] and group in each["id"].lower()]


def environment_of(stage: Stage, status: dict[str, Any]) -> Counter[str]:
    """Return how many resources of which type lie in the group of a session's region."""
    group = status["resolved"]["environment"]["resourceGroup"]
    return Counter(arm_type(each) for each in stage.azure.resources(group))


def snapshots_of(stage: Stage, status: dict[str, Any]) -> list[str]:
    """Return the snapshots of a session's run that are there; a restore takes none."""
    ids = {each["snapshotId"].lower() for each in status.get("snapshotSet", ())}
    return sorted(ids & {each.lower() for each in stage.azure.resources("rg-backup")})
