"""Each safeguard of preparing and skipping, taken away in turn, is missed; with all none is.

Each schedule pauses one where it hurts and lets another go on. Commits here look at no row (S3),
which would be a second line behind some of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from typing_extensions import override

from tests.unit.repository.control.chain_bench import (
    DISK_BYTES,
    ChainBench,
)
from tests.unit.repository.control.log_bench import MemoryHeads, TurnedClock, numbered, run
from tests.unit.repository.control.repository_bench import Passing, finish_all
from tests.unit.repository.data.bench import PARAMETERS, noise, ring
from tests.unit.repository.data.samples import BLOCK
from tests.unit.repository.safeguards import is_seen, with_and_without
from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.preparing import PreparedDisk, Preparing
from vmbackup_core.repository.control.backup.skipping import skip_where_due
from vmbackup_core.repository.control.chains.chain_header import ensure_chain
from vmbackup_core.repository.control.chains.named_manifests import first_that_opens
from vmbackup_core.repository.control.chains.newest import Newest, look_at_newest
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_reader import Reading
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.control.sealed_objects import is_there
from vmbackup_core.repository.data.footer import BACKUP, pack_start
from vmbackup_core.repository.data.grants import LEVEL, LeftSession, ManifestAt
from vmbackup_core.repository.data.tables import SessionRow
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.names import HOLDS, pack_name, prefix_of_slot
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Store

Removed = Literal["", "S7", "S10", "S15 hold", "S15 order", "S18", "S19"]


class OnAnOlderBase(Preparing):
    """Writes on the newest manifest that opens and leaves the damage where it is (S7 removed)."""

    @override
    def find_newest(self) -> Newest:
        state, control = self.log.read().state, self.log.control
        looked = look_at_newest(control, self.data, state, self.chain)
        if isinstance(looked, Newest):
            return looked
        found = first_that_opens(control, self.data, state, self.chain.chain)
        at, manifest = found or (None, None)
        return Newest(looked.slot, looked.found, at, manifest)


class AboveCommitsAlone(Preparing):
    """Takes the next slot above the commits, whatever the log names (S10 removed)."""

    @override
    def find_newest(self) -> Newest:
        state = self.log.read().state.copy()
        state.highest_slots.clear()
        looked = look_at_newest(self.log.control, self.data, state, self.chain)
        assert isinstance(looked, Newest)
        return looked


class HoldingNothing(Preparing):
    """Believes that what is there stays (S15 removed)."""

    @override
    def hold_and_read(self, base: ManifestAt | None) -> LogState:
        return self.log.read().state


class HoldingLate(Preparing):
    """Reads the log, then holds (the order of S15 removed)."""

    @override
    def hold_and_read(self, base: ManifestAt | None) -> LogState:
        state = self.log.read().state
        super().hold_and_read(base)
        return state


class AdoptingAll(Preparing):
    """Names every session that left packs in the slot, whosever it is (S18 removed)."""

    @override
    def find_left(self, state: LogState, slot: CommitSlot) -> Iterator[LeftSession]:
        for each in self.data.list(prefix_of_slot(self.chain.chain, "p", slot)):
            named = parse_data(each.name)
            if isinstance(named, PackName):
                yield LeftSession(named.pack.session, 1, named.pack.number + 1)


class StaleLog(Log):
    """Is read once (S19 removed)."""

    _first: Reading | None = None

    @override
    def read(self) -> Reading:
        self._first = self._first or super().read()
        return self._first


PREPARING: dict[Removed, type[Preparing]] = {
    "": Preparing,
    "S7": OnAnOlderBase,
    "S10": AboveCommitsAlone,
    "S15 hold": HoldingNothing,
    "S15 order": HoldingLate,
    "S18": AdoptingAll,
    "S19": Preparing,
}


class PausedBeforeDeleting(MemoryStore):
    """The same objects as *inner*; what is to be deleted is kept for when its deleter goes on."""

    def __init__(self, inner: Store) -> None:
        self.__dict__.update(inner.__dict__)
        self.kept: list[str] = []

    @override
    def delete(self, name: str) -> None:
        self.kept.append(name)


@dataclass
class Scene:
    """A chain, and how its actors are built with one safeguard removed."""

    removed: Removed
    bench: ChainBench = field(default_factory=lambda: ChainBench().begun())
    paused: list[str] = field(default_factory=list)

    def prepare(self, number: int, base: ManifestAt | None = None) -> PreparedDisk:
        return self.preparing(self.bench.log(), self.bench.places.data, number, base)

    def preparing(
        self, log: Log, data: Store, number: int, base: ManifestAt | None
    ) -> PreparedDisk:
        asked = self.bench.asked(number, base)
        disk_chain = ensure_chain(log, data, asked.unique_id, asked.run, PARAMETERS)
        made = PREPARING[self.removed](log, data, asked, disk_chain)
        return made.prepared(deltas=False, level=LEVEL)

    def log(self, store: Store) -> Log:
        log = self.bench.log(store)
        if self.removed == "S19":
            return StaleLog(log.control, MemoryHeads(), log.author, TurnedClock())
        return log

    def begin_to_delete(self, number: int) -> None:
        """Have the point of run *number* expire, up to before its manifest is deleted."""
        self.bench.let_go(number)
        data = PausedBeforeDeleting(self.bench.places.data)
        finish_all(self.bench.log(), data)
        self.paused += data.kept

    def go_on(self) -> None:
        for name in self.paused:
            self.bench.places.data.delete(name)

    def is_gone(self, at: ManifestAt | None) -> bool:
        return at is not None and not is_there(self.bench.places.data, at.name)


def damaged_for_a_while(scene: Scene) -> list[str]:
    """The newest manifest does not open as run 4 begins, and does again as prune comes by."""
    bench = scene.bench
    plain = noise(1, DISK_BYTES)
    changed = noise(2, BLOCK) + plain[BLOCK:]
    for number, content in ((1, plain), (2, changed), (3, plain)):
        prepared = bench.prepared(number)
        found = bench.commit(prepared, bench.write(prepared, content))
        assert found is not None
        record(bench.log(), bench.places.data, bench.point(number, found))
    at = bench.newest().at
    assert at is not None
    before = bench.spoil(at.name)

    prepared = scene.prepare(4)
    done = bench.write(prepared, changed)
    data = bench.places.data
    assert isinstance(data, MemoryStore)
    data.overwrite(at.name, before)
    bench.let_go(2)
    bench.finish()
    bench.prune()
    found = bench.commit(prepared, done)
    assert found is not None
    record(bench.log(), data, bench.point(4, found))
    return bench.complaints()


def a_commit_is_lost(scene: Scene) -> list[str]:
    """Control loses the newest commit, which a point names."""
    bench = scene.bench
    bench.back_up(1)
    bench.back_up(2)
    bench.places.control.delete(bench.commit_name(2))

    prepared = scene.prepare(3)
    found = bench.commit(prepared, bench.write(prepared))
    assert found is not None
    try:
        record(bench.log(), bench.places.data, bench.point(3, found))
    except VmbackupError as error:
        return [f"the backup of run 3 counts for nothing: {error}"]
    return bench.complaints()


def the_base_expires_once_it_is_given(scene: Scene) -> list[str]:
    bench = scene.bench
    first = bench.back_up(1)
    bench.back_up(2)

    given = scene.prepare(3, first).grant.base
    bench.let_go(1)
    bench.finish()
    return ["the base went under its session"] if scene.is_gone(given) else []


def the_base_expires_as_it_is_held(scene: Scene) -> list[str]:
    """Expire has looked for holds before the base is held, and deletes after it was given."""
    bench = scene.bench
    first = bench.back_up(1)
    bench.back_up(2)
    control = Passing(
        bench.places.control,
        lambda name: name.startswith(HOLDS),
        lambda: scene.begin_to_delete(1),
    )

    given = scene.preparing(bench.log(control), bench.places.data, 3, first).grant.base
    scene.go_on()
    assert scene.is_gone(first)
    return ["the base went under its session"] if scene.is_gone(given) else []


def others_leave_packs_in_the_slot(scene: Scene) -> list[str]:
    """A neighbour leaves as many sessions in the slot as a manifest may name."""
    bench = scene.bench
    prepared = scene.prepare(1)
    done = bench.write(prepared)
    bench.places.data.delete(done.manifest)
    for number in range(992):
        row = SessionRow(CommitSlot(1), WritingSession(numbered(number)), run(7), 1)
        name = pack_name(prepared.chain.chain, PackId(row.slot, row.session, 0))
        bench.places.data.put_new(name, pack_start(ring().repository, row, BACKUP))

    again = scene.prepare(1)
    stored = bench.write(again).statistics.new_blocks
    return [f"{stored} blocks that the run has stored are stored again"] if stored else []


def the_manifest_expires_as_it_is_skipped_to(scene: Scene) -> list[str]:
    """Expire has looked at the commits before the skip takes its slot, and deletes after it."""
    bench = scene.bench
    for number in (1, 2):
        bench.back_up(number)
    bench.spoil(bench.back_up(3).name)
    slot = bench.commit_name(4)
    control = Passing(
        bench.places.control, lambda name: name == slot, lambda: scene.begin_to_delete(2)
    )

    newest = skip_where_due(scene.log(control), bench.places.data, bench.chain())
    assert scene.paused
    scene.go_on()
    return ["the newest manifest went under a skip"] if scene.is_gone(newest.at) else []


SCHEDULES: list[tuple[Removed, Callable[[Scene], list[str]]]] = [
    ("S7", damaged_for_a_while),
    ("S10", a_commit_is_lost),
    ("S15 hold", the_base_expires_once_it_is_given),
    ("S15 order", the_base_expires_as_it_is_held),
    ("S18", others_leave_packs_in_the_slot),
    ("S19", the_manifest_expires_as_it_is_skipped_to),
]


@with_and_without(SCHEDULES)
def test_something_is_lost_only_where_the_safeguard_is_removed(
    removed: Removed, schedule: Callable[[Scene], list[str]], *, is_lost: bool
) -> None:
    assert is_seen(schedule(Scene(removed)), is_lost=is_lost)
