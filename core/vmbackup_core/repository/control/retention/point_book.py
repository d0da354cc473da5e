"""What decides about points besides the log: read once for each, since a point never changes.

A repository has a hundred thousand of them, and a pass of expire asks for the group and the rule
of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.catalog import DAMAGE, Damage
from vmbackup_core.repository.control.points.points import open_counted
from vmbackup_core.repository.control.retention.expire_plan import CountedPoint, KnownPoint
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.stores.port import ObjectUnreadable

SIDE_BY_SIDE: Final = 16


@dataclass
class PointBook:
    """Points by their digests; groups and rules are kept once. For one thread at a time."""

    _known: dict[str, KnownPoint] = field(default_factory=dict)
    _failed: dict[str, Damage] = field(default_factory=dict)
    _once: dict[KnownPoint, KnownPoint] = field(default_factory=dict)

    def begin_pass(self, state: LogState) -> None:
        """Forget points that no longer count, and try those again that did not open."""
        self._failed = {}
        counted = (entry.sha256 for entry in state.counted.values())
        self._known = {each: self._known[each] for each in counted if each in self._known}
        self._once = {each: each for each in self._known.values()}

    def unread(self, state: LogState) -> list[Recorded]:
        """Return the points that count and were not looked at in this pass or before."""
        return [
            entry
            for entry in state.counted.values()
            if entry.sha256 not in self._known and entry.sha256 not in self._failed
        ]

    def read(self, control: Control, entries: Sequence[Recorded]) -> None:
        """Look at the points of *entries*, several side by side."""

        def opened(entry: Recorded) -> tuple[str, KnownPoint | Damage]:
            try:
                point = open_counted(control, entry)
            except DAMAGE as error:
                return entry.sha256, error
            return entry.sha256, KnownPoint.of(point)

        if not entries:
            return
        if len(entries) == 1:
            self._take_in(*opened(entries[0]))
            return
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for each in pool.map(opened, entries):
                self._take_in(*each)

    def counted(self, control: Control, state: LogState) -> list[CountedPoint]:
        """Return the points that count and open, but those of a VM that has to wait.

        So it is where one of its points cannot be read now. Raise NotUnderstood where one is.
        """
        self.read(control, self.unread(state))
        waiting = frozenset(self._waiting(state))
        return [
            CountedPoint(entry, self._known[entry.sha256])
            for entry in state.counted.values()
            if entry.sha256 in self._known and entry.vm not in waiting
        ]

    def known(self, control: Control, entries: Sequence[Recorded]) -> list[CountedPoint]:
        """Return those of *entries* that open; what was read before is not read again."""
        digests = self._known.keys() | self._failed.keys()
        self.read(control, [each for each in entries if each.sha256 not in digests])
        return [
            CountedPoint(each, self._known[each.sha256])
            for each in entries
            if each.sha256 in self._known
        ]

    def unreadable(self, state: LogState) -> list[Recorded]:
        """Return the points that count and do not open: they go by order of a person alone."""
        return [entry for entry in state.counted.values() if entry.sha256 in self._failed]

    def damage(self, entry: Recorded) -> Damage | None:
        """Return why the point of *entry* did not open, as far as it was tried."""
        return self._failed.get(entry.sha256)

    def _take_in(self, digest: str, found: KnownPoint | Damage) -> None:
        if isinstance(found, KnownPoint):
            self._known[digest] = self._once.setdefault(found, found)
        else:
            self._failed[digest] = found

    def _waiting(self, state: LogState) -> Iterator[VmId]:
        for entry in state.counted.values():
            error = self._failed.get(entry.sha256)
            if isinstance(error, NotUnderstood):
                raise error
            if isinstance(error, ObjectUnreadable):
                yield entry.vm
