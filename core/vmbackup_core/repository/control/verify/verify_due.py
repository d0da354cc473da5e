"""Which VMs have something to be read back: by the log, and one point of each VM; section 33."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.catalog import DAMAGE, newest_first
from vmbackup_core.repository.control.points.points import RecoveryPoint, open_counted
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.control.verify.verify_plan import so_far
from vmbackup_core.repository.control.verify.verify_work import VmDue

#: Who asks comes again after a day: what is not due today must not be overdue tomorrow.
_NEXT_LOOK: Final = timedelta(days=1)

#: In so many pieces a VM's old packs are read: weekly, where all are read within 90 days.
ROUNDS: Final = 13


def due(
    log: Log,
    new_within: timedelta,
    all_within: timedelta,
    now: datetime,
    verified: Mapping[str, datetime],
) -> list[VmDue]:
    """Return the VMs of which something is to be read, the longest due first.

    Points that do not open hide none but themselves.
    """
    state = log.read().state
    found = [
        each.due(state, new_within, all_within / ROUNDS, now, verified)
        for each in _vms(log.control, state)
    ]
    return sorted((each for each in found if each is not None), key=lambda each: each.since)


@dataclass(frozen=True, slots=True)
class _Vm:
    """A VM, by its newest point that opens, and all of its points."""

    newest: RecoveryPoint
    entries: tuple[Recorded, ...]

    def due(
        self,
        state: LogState,
        new_within: timedelta,
        round_: timedelta,
        now: datetime,
        verified: Mapping[str, datetime],
    ) -> VmDue | None:
        """Return what is due of it, and since when."""
        unread = [moment + new_within - _NEXT_LOOK for moment in self._unread(state)]
        oldest = min(entry.created_at for entry in self.entries)
        last = verified.get(self.newest.vm_id.lower(), oldest)
        moments = [*(each for each in unread if each <= now), last + round_]
        since = min(moments)
        if since > now:
            return None
        is_new, is_rota = any(each <= now for each in unread), last + round_ <= now
        return VmDue(self.newest.vm_id, self.newest.vm_name, since, is_new, is_rota)

    def _unread(self, state: LogState) -> Iterator[datetime]:
        """Yield when each point was made that has a commit whose new packs were not all read."""
        for entry in self.entries:
            for chain, slot in entry.places:
                read = so_far(state, chain, "packs")
                if slot > read.slot or (slot == read.slot and read.up_to is not None):
                    yield entry.created_at


def _vms(control: Control, state: LogState) -> Iterator[_Vm]:
    """Yield the VMs that have points; one has a name for each epoch in which a point was made."""
    by_name: defaultdict[str, list[Recorded]] = defaultdict(list)
    for entry in newest_first(state.counted.values()):
        by_name[entry.vm].append(entry)
    by_vm: dict[str, _Vm] = {}
    for entries in by_name.values():  # in order of their newest
        point = _first_that_opens(control, entries)
        if point is not None:
            known = by_vm.setdefault(point.vm_id.lower(), _Vm(point, ()))
            by_vm[point.vm_id.lower()] = _Vm(known.newest, (*known.entries, *entries))
    return iter(by_vm.values())


def _first_that_opens(control: Control, entries: Iterable[Recorded]) -> RecoveryPoint | None:
    for entry in entries:
        point = _open(control, entry)
        if point is not None:
            return point
    return None


def _open(control: Control, entry: Recorded) -> RecoveryPoint | None:
    try:
        return open_counted(control, entry)
    except DAMAGE:
        return None
