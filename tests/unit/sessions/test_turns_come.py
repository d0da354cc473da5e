"""Whoever waits for its turn is looked at when it comes: in whatever order things happen."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace
from typing_extensions import override

from tests.unit.sessions.sharing_scene import OWN, allocator, region, session
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.ids import RunId, WorkerId
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import Condition, is_true
from vmbackup_operator.model.metadata import ObjectKey
from vmbackup_operator.model.session_findings import SessionWorker
from vmbackup_operator.naming import ArmId, worker_id
from vmbackup_operator.reconciling.outcome import Waiting
from vmbackup_operator.sessions.allocator import Allocator, Displaced
from vmbackup_operator.sessions.book import SessionBook
from vmbackup_operator.sessions.booked import BookedSessions
from vmbackup_operator.sessions.seen import Region, WorkerSeen, WorkerState


def run_of(key: ObjectKey) -> RunId:
    return RunId(f"{int(key.name.removeprefix('s')):020x}{0:012x}")


class NothingStored:
    """No session is read or written: all are told by the watch."""

    async def find(self, key: ObjectKey) -> BackupSession | None:
        raise NotImplementedError

    async def write_status(self, session: BackupSession) -> BackupSession:
        raise NotImplementedError

    async def write_finalizers(self, session: BackupSession) -> BackupSession:
        raise NotImplementedError


class WaitingSessions(RuleBasedStateMachine):
    """Sessions that an allocator shares something out to, and whom it has had woken."""

    @initialize(most=st.integers(1, 3))
    def begin_empty(self, most: int) -> None:
        self.most = most
        self.woken: dict[ObjectKey, None] = {}
        self.sessions: dict[ObjectKey, BackupSession] = {}
        self.number = self.version = 0
        book = SessionBook()
        self.allocator = Allocator(book, lambda key: self.woken.update({key: None}))
        stored = NothingStored()
        self.booked = BookedSessions(BackupSession, stored, book, self.allocator, lambda: None)

    @precondition(lambda self: self.woken)
    @rule()
    def who_was_woken_looks(self) -> None:
        self.look(next(iter(self.woken)))

    def look(self, key: ObjectKey) -> None:
        raise NotImplementedError

    def nothing_happens_for_a_while(self) -> None:
        raise NotImplementedError

    @override
    def teardown(self) -> None:
        self.nothing_happens_for_a_while()

    def note(self, noted: BackupSession) -> None:
        self.version += 1
        metadata = replace(noted.metadata, resource_version=str(self.version))
        self.sessions[noted.key] = replace(noted, metadata=metadata)
        self.booked.seen(self.sessions[noted.key])

    def end(self, ended: BackupSession) -> None:
        self.woken.pop(ended.key, None)
        self.note(replace(ended, status=replace(ended.status, outcome="Succeeded")))
        del self.sessions[ended.key]


class RegionsWorkers(WaitingSessions):
    """Sessions of every rank begin, end and are given up; workers stay idle, stop and go."""

    def __init__(self) -> None:
        super().__init__()
        #: Who looks again by itself, soon: it waits for the worker that it displaces to have gone.
        self.looking: set[ObjectKey] = set()
        self.workers: dict[WorkerId, WorkerState] = {}

    @property
    def region(self) -> Region:
        return region(self.most)

    @rule(
        kind=st.sampled_from(["Backup", "Verify"]),
        namespace=st.sampled_from(["team", "others"]),
        machine=st.sampled_from(["/a", "/b"]),
    )
    def a_session_begins(self, kind: str, namespace: str, machine: str) -> None:
        self.number += 1
        begun = session(f"s{self.number}", namespace=namespace, began=self.number)
        spec = replace(begun.spec, type=kind, virtual_machine_id=machine)
        status = replace(begun.status, run_id=run_of(begun.key))
        self.note(replace(begun, spec=spec, status=status))
        self.look(begun.key)

    @precondition(lambda self: self.looking)
    @rule()
    def who_waits_for_a_worker_to_go_looks(self) -> None:
        self.look(min(self.looking))

    @precondition(lambda self: "deleting" in self.workers.values())
    @rule()
    def a_worker_has_gone(self) -> None:
        self.workers.pop(next(w for w, state in self.workers.items() if state == "deleting"))

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), stops=st.booleans())
    def a_session_ends(self, data: st.DataObject, stops: bool) -> None:  # noqa: FBT001 - drawn
        """It has done its work, or is cancelled while it waits."""
        ended = self.sessions[data.draw(st.sampled_from(sorted(self.sessions)))]
        if ended.status.worker is not None and stops:
            self.workers[ended.status.worker.id] = "deallocated"
        self.looking.discard(ended.key)
        self.end(ended)

    @rule()
    @override
    def nothing_happens_for_a_while(self) -> None:
        """All that is under way comes to its end; nobody is left who could have a worker."""
        for _ in range(10 * (len(self.sessions) + len(self.workers) + 1)):
            if "deleting" in self.workers.values():
                self.a_worker_has_gone()
            elif self.woken:
                self.who_was_woken_looks()
            elif self.looking:
                self.who_waits_for_a_worker_to_go_looks()
        assert not self.woken
        assert not self.looking
        holding = [each for each in self.sessions.values() if each.status.worker is not None]
        waiting = [each.key for each in self.sessions.values() if each.status.worker is None]
        assert not waiting or len(holding) == self.region.max_workers, waiting

    @override
    def look(self, key: ObjectKey) -> None:
        self.woken.pop(key, None)
        self.looking.discard(key)
        looked = self.sessions.get(key)
        if looked is None or looked.status.worker is not None:
            return
        own = worker_id(run_of(key), 1)
        now = TurnedClock().now()
        existing = [
            WorkerSeen(ArmId(f"/{each}"), each, state, now) for each, state in self.workers.items()
        ]
        chosen = self.allocator.choose_worker(existing, looked, self.region, own)
        if isinstance(chosen, Waiting):
            busy = Condition("WorkerReady", "False", str(chosen.reason), chosen.message, now)
            self.note(replace(looked, status=replace(looked.status, conditions=(busy,))))
        elif isinstance(chosen, Displaced):
            assert self.allocator.holder_of(chosen.worker, key) is None
            if chosen.worker in self.workers:
                self.workers[chosen.worker] = "deleting"
            self.looking.add(key)
        else:
            held = [each.status.worker for each in self.sessions.values()]
            assert chosen not in {each.id for each in held if each is not None}
            self.workers[chosen] = "running"
            given = SessionWorker(chosen, f"/{chosen}")
            self.note(replace(looked, status=replace(looked.status, worker=given)))
            # One that is being deleted takes no room.
            staying = [each for each in self.workers.values() if each != "deleting"]
            assert len(staying) <= self.region.max_workers


class NamespacesBackups(WaitingSessions):
    """Backups begin and end in a namespace that may have so many under way."""

    @rule()
    def a_session_begins(self) -> None:
        self.number += 1
        begun = session(f"s{self.number}", began=self.number)
        spec = replace(begun.spec, virtual_machine_id=f"/{self.number}")
        self.note(replace(begun, spec=spec))
        self.look(begun.key)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def a_session_ends(self, data: st.DataObject) -> None:
        ended = self.sessions[data.draw(st.sampled_from(sorted(self.sessions)))]
        self.end(ended)

    @rule()
    @override
    def nothing_happens_for_a_while(self) -> None:
        for _ in range(10 * (len(self.sessions) + 1)):
            if self.woken:
                self.who_was_woken_looks()
        assert not self.woken
        assert len(self.under_way()) == min(self.most, len(self.sessions))

    def under_way(self) -> list[BackupSession]:
        accepted = ((each, each.status.conditions) for each in self.sessions.values())
        return [each for each, conditions in accepted if is_true(conditions, "Accepted")]

    @override
    def look(self, key: ObjectKey) -> None:
        self.woken.pop(key, None)
        looked = self.sessions.get(key)
        if looked is None or looked in self.under_way():
            return
        turn = self.allocator.turn_of_namespace(looked, self.most)
        now = TurnedClock().now()
        said = Condition("Accepted", "True", "Succeeded", "", now)
        if turn is not None:
            said = Condition("Accepted", "False", str(turn.reason), turn.message, now)
        self.note(replace(looked, status=replace(looked.status, conditions=(said,))))
        assert len(self.under_way()) <= self.most


def test_nobody_waits_for_a_worker_while_there_is_one() -> None:
    run_state_machine_as_test(RegionsWorkers)


def test_nobody_waits_for_its_namespace_while_it_may_have_more() -> None:
    run_state_machine_as_test(NamespacesBackups)


def test_who_is_not_next_has_those_woken_who_are() -> None:
    """A worker goes for a reader, and a backup comes meanwhile: the backup's turn is first."""
    reading, backup = session("reading", began=1), session("backup", began=2, waits=True)
    reading = replace(reading, spec=replace(reading.spec, type="Verify"))
    allots, woken = allocator(reading, backup)

    said = allots.choose_worker([], reading, region(), OWN)

    assert isinstance(said, Waiting)
    assert woken == [backup.key]
    assert allots.choose_worker([], backup, region(), WorkerId("backup-1")) == "backup-1"


def test_two_that_end_at_once_have_two_begin() -> None:
    """Each end wakes who has waited the longest, which is the same one both times."""
    machine = NamespacesBackups()
    machine.begin_empty(most=2)
    for _ in range(4):
        machine.a_session_begins()
    for ended in machine.under_way():
        machine.end(ended)

    machine.nothing_happens_for_a_while()

    assert [each.metadata.name for each in machine.under_way()] == ["s3", "s4"]
