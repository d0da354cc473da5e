"""Two operators of one appliance: which one leads, since when, and what each asked of Azure."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.scenario.points import NEVER_APPLIED, Raw
from tests.scenario.stage import Stage, eventually
from tools.local_cloud.installation import OPERATOR_NAMESPACE
from tools.local_cloud.operator_process import OperatorProcess

_LEADS = re.compile(r"holds Lease \S+; ids of its requests to Azure end in (\w+)")
_TURN = re.compile(r": starting$|holds Lease ")

#: So many digits at the end of an id are the process's.
DIGITS = 12

_LOOK_S = 0.05
_LIMIT_S = 120
_LOOKS = ("GET", "HEAD", "CONNECT")


@dataclass(slots=True)
class Pair:
    """The operator that leads, and the one that stands by; whatever befalls the one swaps them."""

    leader: OperatorProcess
    standby: OperatorProcess

    def kill(self) -> float:
        """Kill the leader, and return after how long the other one leads; nobody stands by then."""
        since = time.monotonic()
        self.leader.kill()
        return self._taken_over_s(since)

    def pause(self) -> float:
        """Stop the leader where it stands, and return after how long the other one leads."""
        since = time.monotonic()
        os.kill(self.leader.pid, signal.SIGSTOP)
        return self._taken_over_s(since)

    def go_on(self) -> None:
        """Let the one that was stopped go on, and return when it has ended: it may not lead."""
        resume(self.standby)
        wait_until_ended(self.standby)

    def cut_off(self, stage: Stage) -> float:
        """Stop Kubernetes until the leader ends; return how long after its return one leads.

        Who has ended is started again at once, as its pod would.
        """
        stage.plane.stop()
        wait_until_ended(self.leader)
        stage.plane.start_again()
        return self._led_again_s(stage)

    def restart_api_server(self, stage: Stage) -> float:
        """Kill the API server, start it again at once, and return how long after that one leads.

        That is the one that did, where it was away for less than the leader may go on without it.
        """
        stage.plane.restart_api_server()
        return self._led_again_s(stage)

    def _led_again_s(self, stage: Stage) -> float:
        """Return after how long the Lease is renewed by one that runs; who ended is started."""
        since, before = time.monotonic(), _renewed(stage)
        deadline = since + _LIMIT_S
        while _renewed(stage) == before or not (leads(self.leader) or leads(self.standby)):
            for each in (self.leader, self.standby):
                if not each.runs:  # who stands by may give up as well, where it asks just then
                    each.start()
            assert time.monotonic() < deadline, "nobody leads"
            time.sleep(_LOOK_S)
        if not leads(self.leader):
            self._swap()
        return time.monotonic() - since

    def _taken_over_s(self, since: float) -> float:
        """Return how long after *since* the one that stands by leads."""
        deadline = time.monotonic() + _LIMIT_S
        while not leads(self.standby):
            if not self.standby.runs:
                self.standby.start()
            assert time.monotonic() < deadline, "nobody took over"
            time.sleep(_LOOK_S)
        self._swap()
        return time.monotonic() - since

    def _swap(self) -> None:
        self.leader, self.standby = self.standby, self.leader


def _renewed(stage: Stage) -> str:
    """Return when the Lease was renewed the last time, as its holder says."""
    (lease,) = [
        each["spec"]
        for each in stage.plane.administrator.get("leases", "-n", OPERATOR_NAMESPACE)["items"]
        if each["metadata"]["name"].startswith("vmbackup-operator-")
    ]
    return f"{lease['holderIdentity']} {lease['renewTime']}"


def terms(operator: OperatorProcess) -> list[str]:
    """Return by which digits the ids of its requests ended, for each time that it led."""
    return _LEADS.findall(operator.log.read_text())


def leads(operator: OperatorProcess) -> bool:
    """Tell whether an operator runs and leads: whoever stands by says so after it has started."""
    last = [line for line in operator.log.read_text().splitlines() if _TURN.search(line)][-1:]
    return operator.runs and any(_LEADS.search(line) for line in last)


@contextmanager
def a_pair(stage: Stage) -> Iterator[Pair]:
    """Start a second operator, and end it; the stage's own leads, before and after."""
    other = stage.operator.beside(stage.folder / "operator" / "standby.log")
    other.start()
    try:
        with stage.operator.not_restarted():
            yield Pair(stage.operator, other)
    finally:
        for each in (other, stage.operator):
            resume(each)
            each.stop()
        stage.operator.start()


def resume(operator: OperatorProcess) -> None:
    """Let a process go on that was stopped; one that has ended stays so."""
    if operator.runs:
        os.kill(operator.pid, signal.SIGCONT)


def wait_until_ended(operator: OperatorProcess) -> None:
    """Return when a process has ended by itself."""
    eventually(lambda: operator.runs, lambda runs: not runs, "the operator has ended", _LIMIT_S)


def writers(entries: Iterable[Raw]) -> list[str]:
    """Return who wrote to Azure, in the order of the journal, each as often as it began to.

    By the ends of the requests' ids, as Azure's own logs would tell. To take messages is to write.
    """
    said = [entry["client_id"][-DIGITS:] for entry in entries if _is_write(entry)]
    return [who for number, who in enumerate(said) if number == 0 or said[number - 1] != who]


def _is_write(entry: Raw) -> bool:
    takes = entry["service"] == "queue" and entry["path"].endswith("/messages")
    return (
        entry["caller"] == "appliance"
        and entry["service"] in {"arm", "blob", "queue"}
        and entry["status"] != NEVER_APPLIED
        and (takes or entry["method"] not in _LOOKS)
    )
