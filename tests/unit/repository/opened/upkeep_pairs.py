"""Who acts beside prune, expire and a change of keys, and what is missed afterwards; section 35.

The façade that operator and command line use acts here over the memory stores, one call to a
store at a time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from types import MappingProxyType
from typing import TypeVar

from tests.unit.repository.control.backup.commit_pairs import chooser
from tests.unit.repository.data.bench import PARAMETERS, Disk, Target, noise, silent
from tests.unit.repository.data.samples import BLOCK
from tests.unit.repository.opened.whole_bench import WholeBench, finish_all, holder, replace
from tests.unit.repository.primitives.keepers import A, B
from tests.unit.repository.turns import Work, interleave
from vmbackup_core.errors import LostAttempt, VmbackupError
from vmbackup_core.extents import Extent
from vmbackup_core.ids import ChainId, RunId
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Expiring, ExpiringDisk
from vmbackup_core.repository.control.points.points import PointDisk, RecoveryPoint
from vmbackup_core.repository.control.points.recording import (
    RecoveryPointDiffers,
    RecoveryPointExpired,
)
from vmbackup_core.repository.control.repair.repairing import Elsewhere, heal, plan_repair
from vmbackup_core.repository.control.restore.restoring import PointGone
from vmbackup_core.repository.control.retention.expire_plan import entry_of
from vmbackup_core.repository.control.retention.prune_plan import PrunePlan
from vmbackup_core.repository.data.disk_writer import DiskToRead, write_disk
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.failures import KeyRingIncomplete
from vmbackup_core.repository.primitives.names import prefix_of_folder
from vmbackup_core.repository.primitives.reading import Places

T = TypeVar("T")

BLOCKS = 8


def content_of(number: int) -> bytes:
    """Return the disk as run *number* sees it: one block is its own."""
    content = bytearray(noise(1, BLOCKS * BLOCK))
    at = number % BLOCKS * BLOCK
    content[at : at + BLOCK] = noise(100 + number, BLOCK)
    return bytes(content)


@cache
def _built() -> tuple[WholeBench, tuple[RecoveryPoint, ...]]:
    bench = WholeBench()
    bench.begun()
    bench.opened().add_key(B)
    points = tuple(bench.back_up(number, {"os": content_of(number)}) for number in (1, 2, 3))
    _expire(bench.opened(), points[1].run_id)
    return bench, points


def _expire(repository: OpenedRepository, run: RunId) -> None:
    entries = [entry_of(each) for each in repository.counted() if each.run == run]
    repository.upkeep.begin_expire(entries)
    for _ in range(2):
        finish_all(repository.upkeep)


@dataclass
class Scene:
    """A repository of one disk: points of runs 1 and 3; that of run 2 has expired.

    *told* are the points that somebody was told to count, *gone* the runs whose points may go,
    *hurt* those that damage has hurt. Prune believes the log as *prunes_by* reads it.
    """

    bench: WholeBench
    points: tuple[RecoveryPoint, ...]
    told: set[RunId] = field(default_factory=set)
    gone: set[RunId] = field(default_factory=set)
    hurt: set[RunId] = field(default_factory=set)
    prunes_by: type[Log] = Log

    @classmethod
    def begun(cls) -> Scene:
        bench, points = _built()
        return cls(bench.copied(), points, {points[0].run_id, points[2].run_id})

    @property
    def chain(self) -> ChainId:
        return self.points[0].disks[0].chain_id

    def over(self, places: Places) -> WholeBench:
        """Return the same repository as it is seen through *places*."""
        return WholeBench(places, disks=self.bench.disks)

    def opened(self, places: Places) -> OpenedRepository:
        return self.over(places).opened()

    # Who acts

    def backing_up(self, number: int) -> Work:
        """A run to its end, or its retry."""

        def work(places: Places) -> None:
            self.told.add(_until_done(partial(self._back_up, self.over(places), number)).run_id)

        return work

    def _back_up(self, bench: WholeBench, number: int) -> RecoveryPoint:
        repository = bench.opened()
        line = bench.line_of(repository, number, "os", content_of(number))
        point = bench.point(repository, number, [line])
        try:
            repository.record(point)
        except RecoveryPointExpired as error:  # what was committed before has been let go
            raise LostAttempt(str(error), reason=error.reason) from error
        except RecoveryPointDiffers as error:  # and its point put, which the catalog's sync deletes
            for vm in repository.upkeep.vms():
                repository.upkeep.sync_vm(vm)
            raise LostAttempt(str(error), reason=error.reason) from error
        return point

    def pruning(self) -> Work:
        def prune(places: Places) -> None:
            repository = self.opened(places)
            upkeep, log = repository.upkeep, repository.log
            repository.work.log = self.prunes_by(log.control, log.heads, log.author, log.clock)
            repository.work.log.reader.side_by_side = 1
            for planned in upkeep.plan_prune():
                if isinstance(planned, PrunePlan):
                    assert upkeep.prune(planned, lambda: None) == []

        return lambda places: _until_done(partial(prune, places))

    def pruning_later(self) -> Work:
        """A deleter that was paused with its plan, and goes on."""
        (planned,) = self.bench.opened().upkeep.plan_prune()
        assert isinstance(planned, PrunePlan)
        assert planned.data

        def work(places: Places) -> None:
            assert self.opened(places).upkeep.prune(planned, lambda: None) == []

        return work

    def expiring(self, number: int) -> Work:
        """The point of run *number* goes, from the first step to the last."""
        run = self.bench.run(number)
        self.gone.add(run)
        return lambda places: _until_done(lambda: _expire(self.opened(places), run))

    def expiring_pointless(self, disk: PointDisk) -> Work:
        """A commit without a point goes."""
        disks = (ExpiringDisk(disk.chain_id, disk.slot),)
        entry = Expiring(phase="begun", vm=None, run=None, disks=disks)

        def expire(places: Places) -> None:
            upkeep = self.opened(places).upkeep
            upkeep.begin_expire([entry])
            finish_all(upkeep)

        return lambda places: _until_done(partial(expire, places))

    def committed(self, number: int) -> RecoveryPoint:
        """Commit run *number*, and return its point, which is yet to be recorded."""
        repository = self.bench.opened()
        line = self.bench.line_of(repository, number, "os", content_of(number))
        return self.bench.point(repository, number, [line])

    def recording(self, point: RecoveryPoint) -> Work:
        def work(places: Places) -> None:
            try:
                _until_done(lambda: self.opened(places).record(point))
            except RecoveryPointExpired:
                assert point.run_id in self.gone
            else:
                self.told.add(point.run_id)

        return work

    def restoring(self, number: int) -> Work:
        """Restore the point of run *number* whole, or be refused since it has gone."""
        point = self.points[number - 1]
        (disk,) = point.disks

        def restore(places: Places) -> None:
            repository = self.opened(places)
            sink = Target(disk.size_bytes)
            try:
                with repository.held(point, holder()) as there:
                    repository.restore_disk(there, disk, sink, threads=1)
            except PointGone:
                assert point.run_id in self.gone
            else:
                assert bytes(sink.content) == content_of(number)

        return lambda places: _until_done(partial(restore, places))

    def healing(self, number: int, of: int) -> Work:
        """A repair by run *number*, which is given all blocks of what run *of* has backed up."""
        content = content_of(of)
        blocks = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]

        def repair(places: Places) -> None:
            log, repair = self.opened(places).log, self.bench.run(number)
            plan = plan_repair(log, places.data, self.chain, Elsewhere(contents=blocks))
            if plan is not None:
                heal(log, places.data, plan, repair)

        return lambda places: _until_done(partial(repair, places))

    def rotating(self) -> Work:
        def work(places: Places) -> None:
            self.opened(places).rotate([A, B])

        return work

    # What was there before

    def leave_packs(self, number: int) -> None:
        """Have an attempt of run *number* break off when its packs are stored."""
        content, repository = content_of(number), self.bench.opened()
        asked = self.bench.asked(number, "os", content)
        prepared = repository.prepare_disk(asked, PARAMETERS)
        disk = DiskToRead(Disk(content), [Extent(0, len(content))], None)
        data = self.bench.places.data
        done = write_disk(data, prepared.keys, prepared.grant, disk, threads=1, progress=silent)
        data.delete(done.manifest)

    def damage_manifest(self, number: int) -> None:
        """Damage the manifest of run *number*, whose point is hurt by it."""
        (disk,) = self.points[number - 1].disks
        self._flip(disk.manifest_name, 100)
        self.hurt.add(self.bench.run(number))

    def lose_pack(self) -> None:
        """Lose the newest pack that a point needs: run 3's own."""
        data = self.bench.places.data
        *_, newest = (each.name for each in data.list(prefix_of_folder(self.chain, "p")))
        data.delete(newest)

    def _flip(self, name: str, at: int) -> None:
        content = bytearray(self.bench.places.data.get(name))
        content[at] ^= 1
        replace(self.bench.places.data, name, bytes(content))

    # What is missed

    def complaints(self) -> list[str]:
        """Prune once more, and return what a user would miss before and after it."""
        missed = self._missed()
        self.pruning()(self.bench.places)
        return missed + self._missed()

    def _missed(self) -> list[str]:
        repository = self.bench.opened()
        found = {each.point.run_id: each.point for each in repository.points()}
        lost = [f"run {run} does not count" for run in self.told - self.gone - found.keys()]
        for run in found.keys() - self.hurt:
            try:
                lost += self.bench.restored(found[run], repository)
            except VmbackupError as error:
                lost.append(f"run {run}: {error}")
        return [*lost, *map(str, repository.log_findings())]


def _until_done(act: Callable[[], T]) -> T:
    """Do it again where another was faster, or has begun an epoch."""
    while True:
        try:
            return act()
        except (LostAttempt, KeyRingIncomplete):
            continue


def _record_beside_expire(scene: Scene) -> list[Work]:
    point = scene.committed(4)
    scene.bench.commit_only(5, "os", content_of(5))
    scene.gone.add(point.run_id)
    return [scene.recording(point), scene.expiring_pointless(point.disks[0]), scene.expiring(1)]


def _record_beside(other: Callable[[Scene], Work]) -> Callable[[Scene], list[Work]]:
    return lambda scene: [scene.recording(scene.committed(4)), other(scene)]


def _retry_beside_its_expire(scene: Scene) -> list[Work]:
    point = scene.committed(4)
    scene.bench.commit_only(5, "os", content_of(5))
    return [scene.backing_up(4), scene.expiring_pointless(point.disks[0]), scene.backing_up(4)]


def _record_beside_a_retry(scene: Scene) -> list[Work]:
    return [scene.recording(scene.committed(4)), scene.backing_up(4)]


def _skip_beside_expire(scene: Scene) -> list[Work]:
    scene.damage_manifest(3)
    return [scene.backing_up(4), scene.expiring(1)]


def _heal_beside(other: Callable[[Scene], Work]) -> Callable[[Scene], list[Work]]:
    def works(scene: Scene) -> list[Work]:
        scene.lose_pack()
        return [scene.healing(500, of=3), other(scene), scene.expiring(1)]

    return works


def _retry_beside(other: Callable[[Scene], Work]) -> Callable[[Scene], list[Work]]:
    def works(scene: Scene) -> list[Work]:
        scene.leave_packs(4)
        return [scene.backing_up(4), scene.backing_up(4), other(scene)]

    return works


#: What the works of a pair are, and whatever else makes it hard for them.
PAIRS: MappingProxyType[str, Callable[[Scene], list[Work]]] = MappingProxyType(
    {
        "B, RP": _record_beside(lambda scene: scene.backing_up(5)),
        "B, H": _heal_beside(lambda scene: scene.backing_up(4)),
        "B, T": lambda scene: [scene.backing_up(4), scene.restoring(1), scene.restoring(3)],
        "B, P": lambda scene: [scene.backing_up(4), scene.pruning(), scene.backing_up(5)],
        "B, X": lambda scene: [scene.backing_up(4), scene.expiring(3), scene.expiring(1)],
        "B, X, a skip first": _skip_beside_expire,
        "R, P2": _retry_beside(lambda scene: scene.backing_up(5)),
        "R, RP": _record_beside_a_retry,
        "R, X": _retry_beside_its_expire,
        "R, P": _retry_beside(Scene.pruning),
        "R, K": _retry_beside(Scene.rotating),
        "RP, X": _record_beside_expire,
        "RP, P": _record_beside(Scene.pruning),
        "RP, T": lambda scene: [*_record_beside(Scene.pruning)(scene), scene.restoring(1)],
        "RP, K": _record_beside(Scene.rotating),
        "X, X": lambda scene: [scene.expiring(1), scene.expiring(1), scene.backing_up(4)],
        "X, P": lambda scene: [scene.expiring(1), scene.pruning(), scene.backing_up(4)],
        "X, H": _heal_beside(lambda scene: scene.expiring(1)),
        "X, T": lambda scene: [scene.expiring(1), scene.restoring(1), scene.restoring(3)],
        "X, K": lambda scene: [scene.expiring(1), scene.rotating()],
        "P, P": lambda scene: [scene.pruning(), scene.pruning(), scene.expiring(1)],
        "P, H": _heal_beside(Scene.pruning),
        "P, T": lambda scene: [scene.pruning(), scene.restoring(1), scene.expiring(1)],
        "P, K": lambda scene: [scene.pruning(), scene.rotating(), scene.backing_up(4)],
        "P, Z": lambda scene: [
            scene.pruning_later(),
            scene.pruning(),
            scene.backing_up(4),
            scene.expiring(1),
        ],
        "H, H": _heal_beside(lambda scene: scene.healing(501, of=3)),
        "H, K": _heal_beside(Scene.rotating),
        "T, T": lambda scene: [scene.restoring(1), scene.restoring(1), scene.expiring(1)],
        "T, K": lambda scene: [scene.restoring(1), scene.rotating()],
    }
)


def play(pair: str, seed: int, prunes_by: type[Log] = Log) -> list[str]:
    """Let a pair take turns as *seed* has them, and return what is wrong afterwards."""
    drawn = random.Random(seed)  # noqa: S311 - what is drawn is no secret
    scene = Scene.begun()
    scene.prunes_by = prunes_by
    works = PAIRS[pair](scene)
    ended = interleave(scene.bench.places, works, chooser(drawn))
    raised = [repr(each) for each in ended if each is not None]
    return raised or scene.complaints()
