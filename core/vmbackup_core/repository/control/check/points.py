"""Recovery points: those that count are there, open, and are the ones that were recorded."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.control.check.log import LogSeen, read_now
from vmbackup_core.repository.control.check.observations import Observations
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Point, Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import PointDisk, RecoveryPoint, open_point
from vmbackup_core.repository.crew import work_through
from vmbackup_core.repository.primitives.names import POINTS, point_name
from vmbackup_core.repository.primitives.parsed_names import PointName, parse_control
from vmbackup_core.stores.port import NotStored


@dataclass(frozen=True, slots=True)
class Use:
    """A disk of a counted point: the commit that the log has, and what the point says of it.

    The point's own words are None where it does not open; its bytes are lost with it.
    """

    point: Point
    slot: CommitSlot
    commit_sha256: str
    disk: PointDisk | None

    @property
    def run(self) -> RunId:
        """The run whose point it is."""
        return self.point[1]


@dataclass
class Uses:
    """What counted points use of each chain."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    of_chain: defaultdict[ChainId, list[Use]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entry: Recorded, point: RecoveryPoint | None) -> None:
        """Take in a point that counts."""
        disks = {} if point is None else {disk.chain_id: disk for disk in point.disks}
        with self._lock:
            for each in entry.disks:
                use = Use(entry.point, each.slot, each.commit_sha256, disks.get(each.chain))
                self.of_chain[each.chain].append(use)


def check_points(log: Log, known: LogSeen, seen: Observations, threads: int) -> Uses:
    """Look at every point that lies there and at every one that counts."""
    uses, counted = Uses(), known.state.counted
    listed = _Listed(set(counted))

    def look(point: Point) -> None:
        entry = counted.get(point)
        if entry is None:
            _look_at_uncounted(log, point, seen)
        else:
            uses.add(entry, _look(log, entry, seen))

    work_through(listed.points(log, seen), look, threads)
    work_through(tuple(listed.absent), look, threads)
    seen.counts.points += len(counted)
    if known.is_damaged:
        _blame_log(known.state, listed.others, seen)
    for of_chain in uses.of_chain.values():
        of_chain.sort(key=lambda use: (use.slot, use.point))
    return uses


@dataclass
class _Listed:
    """Of the points that count those that no listing has shown yet, and the others that it has."""

    absent: set[Point]
    others: set[Point] = field(default_factory=set)

    def points(self, log: Log, seen: Observations) -> Iterator[Point]:
        """Yield every point that lies there."""
        with seen.noting("control", POINTS):
            for each in log.control.store.list(POINTS):
                parsed = parse_control(each.name)
                if isinstance(parsed, PointName):
                    point = parsed.vm, parsed.run
                    if point in self.absent:
                        self.absent.remove(point)
                    else:
                        self.others.add(point)
                    yield point


def _look_at_uncounted(log: Log, point: Point, seen: Observations) -> None:
    """Open a point that was put and not logged yet, or that expires."""
    with seen.noting("control", point_name(*point)), suppress(NotStored):
        open_point(log.control, point)


def _look(log: Log, entry: Recorded, seen: Observations) -> RecoveryPoint | None:
    """Return the point that counts by *entry*, where it is the one that was recorded."""
    with seen.noting("control", point_name(*entry.point), runs=(entry.run,)):
        try:
            found = open_point(log.control, entry.point)
        except NotStored:
            if entry.point in read_now(log).state.counted:
                raise
            return None  # expired meanwhile
        if found.sha256 != entry.sha256:
            raise CorruptRepository(f"its digest is {found.sha256}, not {entry.sha256} as recorded")
        if set(found.point.commits()) != set(entry.disks):
            raise CorruptRepository("has other disks or commits than were recorded")
        return found.point
    return None


def _blame_log(state: LogState, uncounted: set[Point], seen: Observations) -> None:
    """Name the points that a damaged log object may have recorded: they do not count now."""
    lost = {point[1] for point in uncounted}
    lost -= {point[1] for point, _ in state.expiring if point is not None}
    for fault in seen.faults.values():
        if fault.what in {"logDamaged", "rolledBack"}:
            fault.runs |= lost
