"""The catalog: the points that count, as they are mirrored; see section 31 of the format's page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Union

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.log.log_entries import Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.points.points import OpenedPoint, names_of_vm, open_counted
from vmbackup_core.repository.control.points.recording import counted_points
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import VmId, is_id
from vmbackup_core.repository.primitives.names import POINTS
from vmbackup_core.stores.port import NotStored, ObjectUnreadable

#: How many points of a VM are mirrored.
MIRRORED: Final = 14

#: What is wrong with one point, and says nothing of the others.
Damage = Union[CorruptRepository, NotStored, NotUnderstood, ObjectUnreadable]  # noqa: UP007 - 3.10
DAMAGE: Final = (CorruptRepository, NotStored, NotUnderstood, ObjectUnreadable)

#: Is told of a point that counts and does not open.
OnDamage = Callable[[Recorded, Damage], None]


def counted_of(control: Control, state: LogState, vm_arm_id: str | None) -> list[Recorded]:
    """Return the points that count, the newest first; those of one VM where it is given."""
    if vm_arm_id is not None:
        return counted_points(state, names_of_vm(control, vm_arm_id))
    return newest_first(state.counted.values())


def newest_first(entries: Iterable[Recorded]) -> list[Recorded]:
    """Return *entries* by their time, the newest first."""
    return sorted(entries, key=lambda entry: (entry.created_at, entry.run), reverse=True)


def opened_points(
    control: Control, entries: Iterable[Recorded], damaged: OnDamage | None
) -> Iterator[OpenedPoint]:
    """Yield the points of *entries*.

    One that does not open is told to *damaged* and hides no other; without, it ends them all.
    """
    for entry in entries:
        try:
            point = open_counted(control, entry)
        except DAMAGE as error:
            if damaged is None:
                raise
            damaged(entry, error)
            continue
        yield OpenedPoint(entry.vm, point, entry.sha256)


def mirrored(
    control: Control, state: LogState, damaged: OnDamage, *, most: int = MIRRORED
) -> list[OpenedPoint]:
    """Return the newest *most* points of each VM, the newest first.

    A VM has a name for each epoch in which a point of it was made, so it is its points that tell
    which names are one VM's.
    """
    by_name: defaultdict[VmId, list[Recorded]] = defaultdict(list)
    for entry in newest_first(state.counted.values()):
        if len(by_name[entry.vm]) < most:
            by_name[entry.vm].append(entry)
    candidates = newest_first(entry for entries in by_name.values() for entry in entries)
    by_vm: defaultdict[bytes, list[OpenedPoint]] = defaultdict(list)
    for opened in opened_points(control, candidates, damaged):
        by_vm[opened.point.vm_id.encode().lower()].append(opened)
    kept = (opened for points in by_vm.values() for opened in points[:most])
    return sorted(kept, key=lambda each: (each.point.created_at, each.point.run_id), reverse=True)


def vms_with_points(control: Control) -> list[VmId]:
    """Return the names of VMs under which points lie, in order."""
    folders = (each.removeprefix(POINTS).rstrip("/") for each in control.store.folders(POINTS))
    return sorted(VmId(named) for named in folders if is_id(named))
