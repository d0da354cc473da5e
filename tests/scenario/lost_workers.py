"""Worker VMs that are lost where a session's worker has just come to."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping

from tests.scenario.killing import has_ended, let_go_of_gone
from tests.scenario.stage import SESSION_LIMIT_S, Stage, eventually

#: When a hold catches what: a point that a worker comes to.
Held = tuple[str, Mapping[str, str]]


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


#: How a worker's VM may be lost.
WAYS: dict[str, Callable[[Stage, str], None]] = {"deallocated": _deallocate, "crashed": _crash}


def lose_worker_at_each(
    stage: Stage,
    session: tuple[str, str],
    begin: Callable[[], None],
    way: str,
    points: Mapping[str, Held],
) -> Iterator[str]:
    """Have a session begun, and at each of *points*, in their order, its worker lost that *way*.

    *session* is its kind and its name. Yields the points behind which it was lost; at the end the
    session has ended.
    """
    kind, name = session
    for number, (point, (when, match)) in enumerate(points.items()):
        hold = stage.azure.hold(when, **match)
        if number == 0:
            begin()
        eventually(lambda: stage.azure.caught(hold), bool, point, SESSION_LIMIT_S)  # noqa: B023 - called here
        WAYS[way](stage, stage.status(name, kind)["worker"]["vmId"])
        let_go_of_gone(stage, [hold])
        yield point
    eventually(lambda: has_ended(stage, name, kind), bool, f"{name} has ended", SESSION_LIMIT_S)
