"""An archived point in the Archive tier, beside another one that is online."""

from __future__ import annotations

from tests.unit.repository.opened.archiving_bench import ArchivingBench
from tests.unit.repository.opened.whole_bench import some_disks
from tests.worlds.memory_archive_tier import TAKES, ArchivedStore, MemoryArchiveTier
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.opened_restore import Archived, Restores
from vmbackup_core.repository.primitives.names import prefix_of_copies, prefix_of_folder
from vmbackup_core.repository.primitives.parsed_names import is_pack
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.archive_tier import Priority

DISKS = some_disks(2)


class Tiered:
    """An archived point whose packs were all put into the Archive tier; *other* is online.

    With *online* nothing was put there yet.
    """

    def __init__(self, *, online: bool = False) -> None:
        self.clock = TurnedClock()
        self.store, self.control = ArchivedStore(self.clock), ArchivedStore(self.clock)
        self.tier = MemoryArchiveTier(self.store)
        self.bench = ArchivingBench()
        self.bench.target.places = Places(self.store, self.control)
        self.point = self.bench.archived(self.bench.begun(DISKS))
        self.packs = [each.name for each in self.store.list("") if is_pack(each.name)]
        self.other = self.bench.target.back_up(7, DISKS)
        if not online:
            self.archive()

    @property
    def restores(self) -> Restores:
        return Restores(self.bench.target.opened().work)

    @property
    def chains(self) -> list[str]:
        """The prefixes under which packs of the archived point are listed."""
        return [prefix_of_folder(disk.chain_id, "p") for disk in self.point.disks]

    def archive(self) -> None:
        for name in self.packs:
            self.store.archive(name)

    def bring_back(self, priority: Priority = "Standard", most: int | None = None) -> Archived:
        return self.restores.bring_back(self.tier, self.point, self.point.run_id, priority, most)

    def wait(self, priority: Priority = "Standard") -> None:
        self.clock.turn(TAKES[priority].total_seconds())

    def counted(self) -> tuple[int, int, int]:
        """Return how many packs are archived, how many copies are back and how many on the way."""
        found = self.restores.look_at_archived(self.point, self.point.run_id)
        return found.packs, found.back, found.under_way

    def restored(self, point: RecoveryPoint) -> list[str]:
        return self.bench.target.restored(point)

    def copies(self) -> list[str]:
        return [each.name for each in self.store.list(prefix_of_copies(self.point.run_id))]
