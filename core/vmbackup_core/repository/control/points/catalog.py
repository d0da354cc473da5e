"""The catalog: the points that count, as they are mirrored; see section 31 of the format's page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Union

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
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


class Mirrored:
    """The points that count at one moment of the log, by their VMs: which of them are mirrored.

    A VM has a name for each epoch in which a point of it was made. It is told of at the first of
    its names, in order, and at the others nothing is.
    """

    def __init__(self, control: Control, state: LogState) -> None:
        self._control = control
        self._by_name: defaultdict[VmId, list[Recorded]] = defaultdict(list)
        for entry in newest_first(state.counted.values()):
            self._by_name[entry.vm].append(entry)

    @property
    def names(self) -> list[VmId]:
        """The names of all VMs, in order."""
        return sorted(self._by_name)

    def of_vm(
        self, name: VmId, known: Mapping[RunId, str], *, most: int = MIRRORED
    ) -> list[Recorded]:
        """Return the newest *most* points of the VM, the newest first; none at a later name.

        *known* has ARM ids of the VMs of some runs. Where it tells whose *name* is, no point is
        opened for it; what it says is proven by the name.
        """
        names = self._names_beside(name, known)
        if name != min(names):
            return []
        return newest_first(entry for each in names for entry in self._by_name[each])[:most]

    def _names_beside(self, name: VmId, known: Mapping[RunId, str]) -> list[VmId]:
        """Return the names of the VM under which points count; its *name* alone where none opens.

        One of a single epoch has no other.
        """
        if len(self._control.ring.masters) == 1:
            return [name]
        for arm_id in self._arm_ids(self._by_name[name], known):
            names = names_of_vm(self._control, arm_id)
            if name in names:
                return [each for each in names if each in self._by_name]
        return [name]

    def _arm_ids(self, entries: Sequence[Recorded], known: Mapping[RunId, str]) -> Iterator[str]:
        yield from (known[entry.run] for entry in entries if entry.run in known)
        for opened in opened_points(self._control, entries, _passed_over):
            yield opened.point.vm_id


def _passed_over(_entry: Recorded, _error: Damage) -> None:
    return


def vms_with_points(control: Control) -> list[VmId]:
    """Return the names of VMs under which points lie, in order."""
    folders = (each.removeprefix(POINTS).rstrip("/") for each in control.store.folders(POINTS))
    return sorted(VmId(named) for named in folders if is_id(named))
