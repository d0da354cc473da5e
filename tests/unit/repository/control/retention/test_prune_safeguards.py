"""Each safeguard of prune, and of expire where it takes manifests, taken away in turn, is missed.

Another acts where it hurts: between two looks of prune, or between its plan and its deletions.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace
from typing_extensions import override

from tests.unit.repository.control.chain_bench import DISK, DISK_BYTES, ChainBench
from tests.unit.repository.control.check_bench import chain_of, little
from tests.unit.repository.control.damage_drawn import losses
from tests.unit.repository.control.log_bench import run
from tests.unit.repository.control.newer_version import append_newer
from tests.unit.repository.control.repository_bench import finish_all
from tests.unit.repository.control.retention.prune_without import (
    LOGS,
    Disturbed,
    GoesOnWithout,
    ListedBefore,
    dropped,
)
from tests.unit.repository.data.bench import Disk, noise, ring
from tests.unit.repository.data.samples import BLOCK
from tests.unit.repository.safeguards import is_seen, with_and_without
from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.preparing import PreparedDisk, Preparing
from vmbackup_core.repository.control.backup.skipping import skip_to_nothing, skip_where_due
from vmbackup_core.repository.control.chains.named_manifests import open_named
from vmbackup_core.repository.control.chains.newest import Newest
from vmbackup_core.repository.control.commits.commits import FoundCommit, find_commit, seal_commit
from vmbackup_core.repository.control.commits.list_parts import OpenList, put_list
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.points.points import open_counted
from vmbackup_core.repository.control.points.recording import record
from vmbackup_core.repository.control.repair.repairing import (
    Elsewhere,
    begin_healing,
    finish_healing,
    plan_repair,
    write_packs,
)
from vmbackup_core.repository.control.retention.prune import execute
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan, Pruning, plan_prune
from vmbackup_core.repository.control.retention.stored_manifests import StoredManifests
from vmbackup_core.repository.data.disk_writer import WrittenDisk
from vmbackup_core.repository.data.grants import LEVEL, ManifestAt
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.names import CHAINS, HOLDS, SlotFolder, prefix_of_folder
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Store

Removed = Literal["", "S4", "S5", "S5 order", "S6", "S8", "S9", "S21", "S29", "S32", "S36"]


@dataclass
class Scene:
    """A chain whose prune lacks a safeguard."""

    removed: Removed
    bench: ChainBench = field(default_factory=lambda: ChainBench().begun())

    @property
    def data(self) -> MemoryStore:
        assert isinstance(self.bench.places.data, MemoryStore)
        return self.bench.places.data

    def folder(self, folder: SlotFolder) -> str:
        return prefix_of_folder(CHAIN, folder)

    def manifests(self) -> list[str]:
        return [each.name for each in self.data.list(self.folder("m"))]

    def pruning(self, data: Store, control: Store) -> Pruning:
        log = self.bench.log(control)
        kind = LOGS.get(self.removed, Log)
        manifests = GoesOnWithout if self.removed == "S5" else StoredManifests
        changed = kind(log.control, log.heads, log.author, log.clock)
        return Pruning(changed, data, manifests(data, ring(1), 1))

    def prune(self, data: Store | None = None, control: Store | None = None) -> None:
        """Plan and delete what one sees in *data* and *control*."""
        pruning = self.pruning(data or self.data, control or self.bench.places.control)
        planned = plan_prune(pruning, CHAIN)
        if isinstance(planned, PrunePlan):
            execute(self.pruning(self.data, self.bench.places.control), planned, lambda: None)

    def back_up(self, *contents: bytes) -> None:
        """Back *contents* up by runs 1, 2 and so on, one after the other."""
        for number, content in enumerate(contents, 1):
            self.finish(number, *self.written(number, content))

    def written(self, number: int, content: bytes) -> tuple[PreparedDisk, WrittenDisk]:
        """Prepare run *number*, and have its worker write *content*."""
        prepared = self.bench.prepared(number)
        return prepared, self.bench.write(prepared, content)

    def finish(self, number: int, prepared: PreparedDisk, done: WrittenDisk) -> FoundCommit:
        """Commit what was written and have its point count."""
        found = self.bench.commit(prepared, done)
        assert found is not None
        record(self.bench.log(), self.data, self.bench.point(number, found))
        return found

    def lost(self, act: Callable[[], object] = lambda: None) -> list[str]:
        """Return what is missed once *act* is done, which may not be possible any more."""
        try:
            act()
        except VmbackupError as error:
            return [f"a backup that was under way fails: {error}"]
        return self.bench.complaints()


CHAIN = ring().of(1).chain_name(DISK, 0)
PLAIN = noise(1, DISK_BYTES)
CHANGED = noise(2, BLOCK) + PLAIN[BLOCK:]


def a_backup_is_under_way(scene: Scene) -> list[str]:
    """Prune comes by when a worker has written, and before the slot is taken."""
    scene.back_up(PLAIN, CHANGED)
    written = scene.written(3, noise(3, DISK_BYTES))

    scene.prune()

    return scene.lost(lambda: scene.finish(3, *written))


def the_newest_expires_behind_a_backup(scene: Scene) -> list[str]:
    """The manifest that was the newest goes before prune opens it: another needs its packs now."""
    scene.back_up(PLAIN, CHANGED)
    written = scene.written(3, CHANGED)

    scene.bench.let_go(2)

    def act() -> None:
        scene.finish(3, *written)
        scene.bench.finish()

    scene.prune(control=Disturbed(scene.bench.places.control, HOLDS, act))

    return scene.lost()


def a_skip_comes_while_prune_looks(scene: Scene) -> list[str]:
    """A backup commits and is skipped, since its manifest does not open for a while."""
    scene.back_up(PLAIN, PLAIN)
    written = scene.written(3, CHANGED)
    name = written[1].manifest
    whole = scene.data.get(name)
    scene.data.delete(name)
    data = ListedBefore(scene.data, scene.folder("m")) if scene.removed else scene.data

    def act() -> None:
        scene.data.put_new(name, whole)
        scene.finish(3, *written)
        scene.bench.spoil(name)
        skip_where_due(scene.bench.log(), scene.data, scene.bench.chain())

    scene.prune(data, Disturbed(scene.bench.places.control, scene.folder("x"), act))
    return scene.lost(lambda: scene.data.overwrite(name, whole))


def the_base_expires_under_a_backup(scene: Scene) -> list[str]:
    """The newest point expires while a backup is written on it."""
    scene.back_up(PLAIN, CHANGED)
    bench = scene.bench
    prepared = bench.prepared(3, bench.newest().at)
    bench.let_go(2)
    control = bench.places.control
    if scene.removed == "S6":
        chain, log = CHAIN, bench.log()
        above = skip_to_nothing(log, chain, CommitSlot(3), "damaged", None)
        control = bench.copied().places.control
        bench.control(control).put(seal_commit(log.control, above, 1))

    finish_all(bench.log(control), scene.data)

    return scene.lost(lambda: scene.finish(3, prepared, bench.write(prepared, PLAIN)))


def a_commit_is_lost_for_a_while(scene: Scene) -> list[str]:
    """Control loses the commit of a run whose point is yet to be recorded, and has it again."""
    scene.back_up(PLAIN)
    prepared, done = scene.written(2, CHANGED)
    found = scene.bench.commit(prepared, done)
    assert found is not None
    scene.finish(3, *scene.written(3, PLAIN))
    control, name = scene.bench.places.control, scene.bench.commit_name(2)
    commit = control.get(name)
    control.delete(name)

    scene.prune()

    control.put_new(name, commit)
    point = scene.bench.point(2, found)
    return scene.lost(lambda: record(scene.bench.log(), scene.data, point))


def a_manifest_does_not_open_for_a_while(scene: Scene) -> list[str]:
    scene.back_up(PLAIN, CHANGED, PLAIN)
    (name,) = (each for each in scene.manifests() if "/00000/002/" in each)
    whole = scene.bench.spoil(name)

    scene.prune()

    return scene.lost(lambda: scene.data.overwrite(name, whole))


def a_commit_is_dropped_behind_the_listing(scene: Scene) -> list[str]:
    """A backup commits, its commit is lost and dropped, while prune looks."""
    scene.back_up(PLAIN, PLAIN)
    written = scene.written(3, CHANGED)
    name, bench = written[1].manifest, scene.bench
    whole = scene.data.get(name)
    scene.data.delete(name)

    def act() -> None:
        scene.data.put_new(name, whole)
        scene.finish(3, *written)
        bench.places.control.delete(bench.commit_name(3))
        bench.say(dropped(CHAIN, 3))

    if scene.removed == "S9":
        seen = ListedBefore(scene.data, CHAINS), ListedBefore(bench.places.control, CHAINS)
        act()
        scene.prune(*seen)
    else:
        scene.prune(Disturbed(scene.data, scene.folder("p"), act))
    return scene.lost()


def a_list_leaves_packs_out(scene: Scene) -> list[str]:
    """A commit's list has nothing of what older slots have stored."""
    scene.back_up(PLAIN)
    bench, control = scene.bench, scene.bench.control()
    prepared, done = scene.written(2, CHANGED)
    found = bench.commit(prepared, done)
    assert found is not None
    assert found.commit is not None
    chain, before = prepared.chain.chain, OpenList.of(control, None, prepared.chain.chain)
    every = [each for part in OpenList.of(control, found.commit, chain).parts() for each in part]
    kept = [each for each in every if each.session.slot == found.slot]
    assert len(kept) < len(every)
    commit = replace(found.commit, pack_list=put_list(before, kept, found.slot, 1))
    control.store.delete(bench.commit_name(2))
    control.put(seal_commit(control, commit, 1))
    found = find_commit(control, chain, found.slot)
    assert found is not None
    record(bench.log(), scene.data, bench.point(2, found))
    bench.let_go(1)
    bench.finish()

    scene.prune()

    return scene.lost()


def a_repair_is_under_way(scene: Scene) -> list[str]:
    """Prune comes by when healing packs are stored, and before their session is done."""
    whole, chain, repair = little().copy(), chain_of(0), run(500)
    lost = next(each for each in whole.data.in_order() if f"{chain}/p/" in each)
    content = whole.contents[run(3)][0]
    whole.data.delete(lost)
    missed = losses(whole)
    plan = plan_repair(whole.log(), whole.data, chain, Elsewhere(Disk(content), len(content)))
    assert plan is not None
    session = begin_healing(whole.log(), chain, repair)
    write_packs(whole.data, plan, repair, session)

    log = whole.log()
    log = LOGS.get(scene.removed, Log)(log.control, log.heads, log.author, log.clock)
    pruning = Pruning(log, whole.data, StoredManifests(whole.data, log.control.ring, 1))
    planned = plan_prune(pruning, chain)
    assert isinstance(planned, PrunePlan)
    execute(pruning, planned, lambda: None)

    finish_healing(whole.log(), whole.data, plan.keys, session, plan.heals)
    return ["the repair has healed nothing"] if losses(whole) == missed else []


def a_later_version_keeps_what_has_expired(scene: Scene) -> list[str]:
    """An entry that this version does not know says that something of an old slot is needed."""
    scene.back_up(PLAIN, CHANGED, PLAIN)
    bench = scene.bench
    bench.let_go(2)
    bench.finish()
    kept = [each.name for each in scene.data.list(scene.folder("p"))]
    append_newer(bench.log(), dropped(CHAIN, 2))
    with suppress(NotUnderstood):
        scene.prune()
    left = {each.name for each in scene.data.list("")}
    return [f"{name} is gone, which a later version keeps" for name in kept if name not in left]


@dataclass(frozen=True)
class OnWhatWasLetGo(Preparing):
    """Writes on an earlier manifest, which nothing keeps any more (S36 removed)."""

    earlier: ManifestAt

    @override
    def find_newest(self) -> Newest:
        newest, control = super().find_newest(), self.log.control
        manifest = open_named(control, self.data, self.chain.chain, self.earlier)
        return Newest(newest.slot, newest.found, self.earlier, manifest)


def a_deleter_is_paused_with_its_plan(scene: Scene) -> list[str]:
    """A backup meets blocks again that the plan's packs have; an account keeps old versions."""
    scene.back_up(PLAIN, CHANGED, PLAIN)
    bench, data = scene.bench, scene.data
    (point,) = (each for each in bench.state().counted.values() if each.run == run(2))
    (disk,) = open_counted(bench.control(), point).disks
    earlier = ManifestAt(disk.manifest_name, disk.manifest_sha256, disk.slot)
    version = data.get(earlier.name)
    bench.let_go(2)
    bench.finish()
    planned = bench.planned()
    assert isinstance(planned, PrunePlan)
    assert planned.data

    def prepare(log: Log, store: Store, asked: DiskAsked) -> PreparedDisk:
        chain = bench.chain()
        if scene.removed:
            data.put_new(earlier.name, version)
            preparing: Preparing = OnWhatWasLetGo(log, store, asked, chain, earlier)
        else:
            preparing = Preparing(log, store, asked, chain)
        return preparing.prepared(deltas=False, level=LEVEL)

    prepared = bench.prepared(4, prepare=prepare)
    scene.finish(4, prepared, bench.write(prepared, CHANGED))
    bench.prune(planned)
    return scene.lost()


SCHEDULES: list[tuple[str, Callable[[Scene], list[str]]]] = [
    ("S4", a_backup_is_under_way),
    ("S5", the_newest_expires_behind_a_backup),
    ("S5 order", a_skip_comes_while_prune_looks),
    ("S6", the_base_expires_under_a_backup),
    ("S8", a_commit_is_lost_for_a_while),
    ("S8", a_manifest_does_not_open_for_a_while),
    ("S9", a_commit_is_dropped_behind_the_listing),
    ("S21", a_later_version_keeps_what_has_expired),
    ("S29", a_list_leaves_packs_out),
    ("S32", a_repair_is_under_way),
    ("S36", a_deleter_is_paused_with_its_plan),
]


@with_and_without(SCHEDULES)
def test_something_is_lost_only_where_the_safeguard_is_removed(
    removed: Removed, schedule: Callable[[Scene], list[str]], *, is_lost: bool
) -> None:
    assert is_seen(schedule(Scene(removed)), is_lost=is_lost)
