"""A control place in memory, logs of several authors on it, and entries for tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from typing_extensions import override

from tests.unit.repository.known_values import MASTER, REPOSITORY
from vmbackup_core.clock import Clock
from vmbackup_core.ids import ChainId, CommitSlot, RepositoryId, RunId
from vmbackup_core.repository.control.log.heads import Head, Heads
from vmbackup_core.repository.control.log.log import Author, Log
from vmbackup_core.repository.control.log.log_conditions import Refusal, refusal
from vmbackup_core.repository.control.log.log_entries import (
    Claimed,
    Entry,
    Expiring,
    ExpiringDisk,
    Recorded,
    RecordedDisk,
)
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.repository.primitives.json_payloads import Time
from vmbackup_core.repository.primitives.masters import KeyRing, Master
from vmbackup_core.stores.memory import MemoryStore
from vmbackup_core.stores.port import Store

RING = KeyRing(REPOSITORY, {1: Master(REPOSITORY, 1, MASTER)}, frozenset({1}))
MOMENT = datetime(2026, 11, 26, 17, 5, 9, tzinfo=UTC)
APPLIANCE = "appliance-a"


def numbered(number: int) -> str:
    return f"{number:032x}"


def chain(number: int) -> ChainId:
    return ChainId(numbered(0xC000 + number))


def run(number: int) -> RunId:
    return RunId(numbered(0xA000 + number))


def digest(number: int) -> str:
    return f"{number:064x}"


VM = VmId(numbered(0xF))


class TurnedClock(Clock):
    """Goes a second further whenever it is asked."""

    def __init__(self) -> None:
        self._seconds = itertools.count()
        self._turned = timedelta()

    @override
    def now(self) -> datetime:
        return MOMENT + self._turned + timedelta(seconds=next(self._seconds))

    def turn(self, seconds: float) -> None:
        """Let so much time pass."""
        self._turned += timedelta(seconds=seconds)

    @override
    def monotonic_s(self) -> float:
        return float(next(self._seconds))


class MemoryHeads(Heads):
    """Remembers in memory."""

    def __init__(self) -> None:
        self.held: Head | None = None

    @override
    def known(self, repository: RepositoryId) -> Head | None:
        return self.held

    @override
    def remember(self, repository: RepositoryId, head: Head) -> None:
        self.held = head


@dataclass
class LogBench:
    """One control place; *state_every* is small, so that states come up in short logs."""

    store: MemoryStore = field(default_factory=MemoryStore)
    state_every: int = 1000
    side_by_side: int = 32

    def control(self, store: Store | None = None) -> Control:
        return Control(store or self.store, RING)

    def log(
        self,
        *,
        appliance: str = APPLIANCE,
        store: Store | None = None,
        heads: Heads | None = None,
        refuse: Refusal = refusal,
    ) -> Log:
        author = Author(appliance, appliance)
        log = Log(self.control(store), heads or MemoryHeads(), author, TurnedClock(), refuse)
        log.reader.state_every = self.state_every
        log.reader.side_by_side = self.side_by_side
        return log

    def begun(self) -> Self:
        self.log().append(wanting(Claimed(appliance=APPLIANCE, from_=None)))
        return self


def wanting(*entries: Entry) -> Callable[[object], tuple[Entry, ...]]:
    return lambda _state: entries


def recorded(number: int, *slots: int, chains: Iterator[ChainId] | None = None) -> Recorded:
    """Return the entry of run *number*, whose disks have *slots* in chains 0, 1, …"""
    named = chains or (chain(index) for index in itertools.count())
    return Recorded(
        vm=VM,
        run=run(number),
        sha256=digest(number),
        created_at=Time.of(MOMENT + timedelta(hours=number)),
        disks=tuple(
            RecordedDisk(each, CommitSlot(slot), digest(1000 * index + slot))
            for index, (slot, each) in enumerate(zip(slots, named, strict=False))
        ),
    )


def expiring(of: Recorded, phase: str = "begun") -> Expiring:
    return Expiring(
        phase="begun" if phase == "begun" else "done",
        vm=of.vm,
        run=of.run,
        disks=tuple(ExpiringDisk(disk.chain, disk.slot) for disk in of.disks),
    )


def pointless(*slots: int, phase: str = "begun") -> Expiring:
    return Expiring(
        phase="begun" if phase == "begun" else "done",
        vm=None,
        run=None,
        disks=tuple(ExpiringDisk(chain(0), CommitSlot(slot)) for slot in slots),
    )
