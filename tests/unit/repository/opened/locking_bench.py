"""A repository in stores that keep locks by the bench's clock, and that count what is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from typing_extensions import override

from tests.unit.repository.control.log_bench import MOMENT
from tests.unit.repository.opened.whole_bench import WholeBench
from tests.unit.repository.turns import TurnStore
from vmbackup_core.repository.control.commits.commits import Commit, find_commit
from vmbackup_core.repository.control.commits.locking import Keep, moment_of
from vmbackup_core.repository.control.points.points import RecoveryPoint
from vmbackup_core.repository.primitives.names import HOLDS
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import ObjectLock, Store

GENERATION = 30


def keep(days: float) -> Keep:
    """Return what keeps a point for *days* from the beginning of the bench's time."""
    return Keep(MOMENT + timedelta(days=days), GENERATION)


@dataclass
class Bench(WholeBench):
    """A repository in stores that keep locks by the bench's clock."""

    keep: Keep | None = field(default_factory=lambda: keep(14))

    def __post_init__(self) -> None:
        now = self.clock.now
        self.places = Places(MemoryStore(now=now), MemoryStore(now=now))

    def commits(self, point: RecoveryPoint) -> list[Commit]:
        """Return the commits of the disks of *point*."""
        control = self.opened().log.control
        found = [find_commit(control, disk.chain_id, disk.slot) for disk in point.disks]
        return [each.commit for each in found if each is not None and each.commit is not None]

    def until(self, point: RecoveryPoint) -> datetime:
        """Return until when the objects of *point* are locked, by its commits."""
        (until,) = {moment_of(commit.locked_until) for commit in self.commits(point)}
        assert until is not None
        return until

    def short(self, until: datetime) -> list[str]:
        """Return what is not locked until then."""
        return [
            lock.name
            for store in self.places.both()
            for lock in store.locks("")
            if (lock.until is None or lock.until < until) and not lock.name.startswith(HOLDS)
        ]

    def seen_through(self, counted: Counter[str]) -> Bench:
        """Return the same bench, whose stores count what is asked of them."""
        bench = replace(self, disks=self.disks)
        bench.places = Places(
            Counting(self.places.data, counted), Counting(self.places.control, counted)
        )
        return bench


class Counting(TurnStore):
    """Counts locks and listings of locks."""

    def __init__(self, inner: Store, counted: Counter[str]) -> None:
        super().__init__(inner, lambda: None)
        self._counted = counted

    @override
    def lock_until(self, name: str, moment: datetime) -> None:
        self._counted["locks"] += 1
        self._counted["packs"] += "/p/" in name
        super().lock_until(name, moment)

    @override
    def locks(self, prefix: str) -> Iterator[ObjectLock]:
        self._counted["listings"] += 1
        return super().locks(prefix)
