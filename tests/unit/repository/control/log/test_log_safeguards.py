"""Each safeguard of the log, taken away in turn, is missed; with all of them nothing is lost.

One is paused where it hurts and another goes on: random schedules hardly ever get there. Each
schedule is run once with the safeguard and once without, by a seam that tests alone have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from typing_extensions import override

from tests.unit.repository.control.log_bench import (
    APPLIANCE,
    MemoryHeads,
    TurnedClock,
    chain,
    digest,
    pointless,
    run,
    wanting,
)
from tests.unit.repository.control.newer_version import PassesOverNewer, append_newer
from tests.unit.repository.control.repository_bench import (
    VM,
    Passing,
    RepositoryBench,
    finish_all,
    is_point,
    manifest_of,
)
from tests.unit.repository.safeguards import is_seen, with_and_without
from vmbackup_core.errors import PermanentError, VmbackupError
from vmbackup_core.ids import CommitSlot, RepositoryId
from vmbackup_core.repository.control.commits.commits import commits, is_as_logged
from vmbackup_core.repository.control.log.heads import Head
from vmbackup_core.repository.control.log.log import Author, Log
from vmbackup_core.repository.control.log.log_conditions import refusal
from vmbackup_core.repository.control.log.log_entries import (
    Claimed,
    Dropped,
    Entry,
    Expiring,
    Recorded,
)
from vmbackup_core.repository.control.log.log_reader import Reading
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import OpenedPoint, open_point, stored_points
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.control.retention.expire import begin_expire
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.control.sealed_objects import Control, StoredBytes, is_there
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.names import LOG, commit_name, point_name
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import AlreadyStored, Buffer, Store

Removed = Literal["", "S11", "S12", "S13", "S13 number", "S14", "S20", "S21", "S22", "S31", "S35"]


class StaleLog(Log):
    """Decides on what it knew at first, however often its number is taken (S13 removed)."""

    _first: Reading | None = None

    @override
    def read(self) -> Reading:
        newest = super().read()
        self._first = self._first or newest
        return Reading(self._first.state, newest.number, newest.sha256)


class UnownedLog(Log):
    """Asks nobody whose the repository is (S31 removed)."""

    @override
    def check_owner(self, state: LogState) -> None:
        pass


class NeverCompares(Control):
    """Takes every name that is taken for another's (S35 removed)."""

    @override
    def put(self, made: StoredBytes) -> bool:
        try:
            self.store.put_new(made.name, made.stored)
        except AlreadyStored:
            return False
        return True


class AnswersTwice(Passing):
    """Stores, and answers as a store does that is asked the same again: the name is taken."""

    @override
    def put(self, name: str, data: Buffer) -> None:
        super().put(name, data)
        if self._when(name):
            raise AlreadyStored(name)


class ForgettingHeads(MemoryHeads):
    """Remembers nothing (S22 removed)."""

    @override
    def remember(self, repository: RepositoryId, head: Head) -> None:
        pass


class OverwritingStore(Passing):
    """Puts over what is there (put-if-absent of the number removed)."""

    @override
    def put(self, name: str, data: Buffer) -> None:
        self.delete(name)
        super().put(name, data)


class LoggingFirst(MemoryStore):
    """Holds a point back until it is logged, and dies then (S14 removed)."""

    def __init__(self, inner: Store) -> None:
        self.__dict__.update(inner.__dict__)
        self.held: dict[str, bytes] = {}

    @override
    def put_new(self, name: str, data: Buffer) -> None:
        if name.startswith("v/"):
            self.held[name] = bytes(data)
        else:
            super().put_new(name, data)


def forgiving(state: LogState, entry: Entry) -> str | None:
    """Let a point be recorded whatever was let go (S20 removed)."""
    return None if isinstance(entry, Recorded) else refusal(state, entry)


@dataclass
class Scene:
    """A repository, and how its actors are built with one safeguard removed."""

    removed: Removed
    bench: RepositoryBench = field(default_factory=RepositoryBench)
    heads: MemoryHeads = field(default_factory=MemoryHeads)

    def __post_init__(self) -> None:
        self.bench.begun()
        if self.removed == "S22":
            self.heads = ForgettingHeads()

    def log(self, store: Store | None = None, appliance: str = APPLIANCE) -> Log:
        kinds: dict[Removed, type[Log]] = {
            "S13": StaleLog,
            "S21": PassesOverNewer,
            "S31": UnownedLog,
        }
        refuse = forgiving if self.removed == "S20" else refusal
        control = self.bench.control(store)
        if self.removed == "S35":
            control = NeverCompares(control.store, control.ring)
        kind = kinds.get(self.removed, Log)
        return kind(control, self.heads, Author(appliance, "x"), TurnedClock(), refuse)

    def paused(self, when: Callable[[str], bool], then: Callable[[], object]) -> Store:
        kind = OverwritingStore if self.removed == "S13 number" else Passing
        return kind(self.bench.store, when, then)

    def complaints(self, told: Sequence[Recorded] = ()) -> list[str]:
        """Return what is lost, and what was told to be recorded and does not count."""
        state = self.bench.log(refuse=self.log().refuse).read().state
        if self.removed == "S12":
            found = [
                open_point(self.bench.control(), each)
                for each in stored_points(self.bench.control(), VM)
            ]
            for each in found:
                state.counted.setdefault(each.entry().point, each.entry())
        strict = self.bench.log().read()
        return [
            *self.bench.complaints(state),
            *(
                f"run {each.run} was told"
                for each in told
                if each.point not in strict.state.counted
            ),
            *(f"{each.trouble}: {each.what}" for each in strict.findings),
        ]

    def let_go(self) -> None:
        """Let a commit without point go, from the first step to the last."""
        begin_expire(self.log(), [pointless(1)])
        finish_all(self.log(), self.bench.store)


def is_log(name: str) -> bool:
    return name.startswith(LOG)


def recorder_paused(
    scene: Scene, when: Callable[[str], bool], then: Callable[[], object]
) -> list[str]:
    """Record run 1 with a pause for *then*, and return what is wrong afterwards."""
    point = scene.bench.committed(1, 1)
    scene.bench.commit(2, 2)
    store = scene.paused(when, then)
    try:
        told = [record(scene.log(store), store, point)]
    except PermanentError:
        told = []
    return scene.complaints(told)


def paused_before_the_point(scene: Scene) -> list[str]:
    """Its commit is let go before the point is put."""
    return recorder_paused(scene, is_point(1), scene.let_go)


def paused_before_the_entry(scene: Scene) -> list[str]:
    """Its commit begins to go before the point is logged."""
    return recorder_paused(scene, is_log, lambda: begin_expire(scene.log(), [pointless(1)]))


def dropped_before_the_entry(scene: Scene) -> list[str]:
    """A person drops the slot before the point is logged."""
    dropped = Dropped(chain=chain(0), slot=CommitSlot(1), what="manifest", session=None, why="x")
    return recorder_paused(scene, is_log, lambda: scene.log().append(wanting(dropped)))


def gone_before_the_entry(scene: Scene) -> list[str]:
    """Its commit goes, from the first step to the last, before the point is logged."""
    return recorder_paused(scene, is_log, scene.let_go)


def dies_between_its_steps(scene: Scene) -> list[str]:
    """The recorder dies before its second step."""
    point = scene.bench.committed(1, 1)
    store = scene.bench.store
    if scene.removed == "S14":
        store = LoggingFirst(store)
        record(scene.log(store), store, point)
    else:
        control = scene.bench.control()
        control.put(control.seal("PONT", point_name(VM, run(1)), point, 1))
    return scene.complaints()


def rolled_back_before_it_deletes(scene: Scene) -> list[str]:
    """A log that said that a point goes comes back as it was, and says so of another point."""
    bench = scene.bench
    for number in (1, 2, 3):
        record(scene.log(), bench.store, bench.committed(number, number))
    earlier = MemoryStore()
    begin_expire(scene.log(), [entry_of(bench.log().read().state.counted[VM, run(1)])])
    for each in bench.store.list(LOG):
        earlier.put_new(each.name, bench.store.get(each.name))
    scene.log().append(wanting(Claimed(appliance="b", from_=APPLIANCE)))
    scene.log(appliance="b").append(wanting(Claimed(appliance=APPLIANCE, from_="b")))
    for each in bench.store.list(LOG):
        bench.store.delete(each.name)
    for each in earlier.list(LOG):
        bench.store.put_new(each.name, earlier.get(each.name))
    try:
        finish_all(scene.log(), bench.store)
    except VmbackupError:
        return []
    gone = not is_there(bench.store, manifest_of(1, 1))
    return ["a manifest went by a log that was put back"] if gone else []


def expires_after_another_has_claimed(scene: Scene) -> list[str]:
    """The owner plans by its policy; before it appends, another appliance claims."""
    bench = scene.bench
    for number in (1, 2):
        record(scene.log(), bench.store, bench.committed(number, number))
    entry: Expiring = entry_of(bench.log().read().state.counted[VM, run(1)])

    def claim() -> None:
        bench.log(appliance="b").append(wanting(Claimed(appliance="b", from_=APPLIANCE)))

    store = scene.paused(is_log, claim)
    try:
        begin_expire(scene.log(store), [entry])
    except PermanentError:
        return scene.complaints()
    state = bench.log().read().state
    return [f"{each.run} goes by a policy of who is no owner" for each in state.expiring.values()]


def another_commit_in_a_recorded_slot(scene: Scene) -> list[str]:
    """A commit is lost, and a stalled session takes its slot before its point is gone."""
    bench = scene.bench
    record(scene.log(), bench.store, bench.committed(1, 1))
    bench.store.delete(commit_name(chain(0), CommitSlot(1)))
    bench.commit(5, 1)
    state = bench.log().read().state
    (found,) = commits(bench.control(), chain(0))
    believed = scene.removed == "S11" or is_as_logged(state, chain(0), found)
    return ["a stalled session's commit is believed"] if believed else []


def a_later_version_has_recorded(scene: Scene) -> list[str]:
    """A point counts by an entry that this version does not know: its commit seems pointless."""
    bench = scene.bench
    point = bench.committed(1, 1)
    bench.commit(2, 2)
    append_newer(scene.log(), OpenedPoint(VM, point, digest(1)).entry())
    with suppress(NotUnderstood):
        scene.let_go()
    gone = not is_there(bench.store, manifest_of(1, 1))
    return ["what a later version has recorded has no manifest"] if gone else []


def an_append_is_answered_twice(scene: Scene) -> list[str]:
    """The answer to a put is lost, and asked again the store says that the name is taken."""
    scene.bench.commit(1, 1)
    store = AnswersTwice(scene.bench.store, is_log, lambda: None)
    (appended,) = begin_expire(scene.log(store), [pointless(1)])
    return [f"what was appended is refused: {why}" for _, why in appended.refused]


SCHEDULES: list[tuple[Removed, Callable[[Scene], list[str]]]] = [
    ("S11", another_commit_in_a_recorded_slot),
    ("S12", paused_before_the_point),
    ("S13", paused_before_the_entry),
    ("S13 number", gone_before_the_entry),
    ("S14", dies_between_its_steps),
    ("S20", paused_before_the_entry),
    ("S20", dropped_before_the_entry),
    ("S21", a_later_version_has_recorded),
    ("S22", rolled_back_before_it_deletes),
    ("S31", expires_after_another_has_claimed),
    ("S35", an_append_is_answered_twice),
]


@with_and_without(SCHEDULES)
def test_something_is_lost_only_where_the_safeguard_is_removed(
    removed: Removed, schedule: Callable[[Scene], list[str]], *, is_lost: bool
) -> None:
    assert is_seen(schedule(Scene(removed)), is_lost=is_lost)
