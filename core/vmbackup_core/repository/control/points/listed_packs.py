"""The packs of a recovery point, as a listing of the data place has them.

Which packs a point needs its commits' lists say, which like all else but packs are always online.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.commits.commits import find_commit
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import PACK
from vmbackup_core.repository.control.points.points import PointDisk, RecoveryPoint
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.identities import HEALING_SLOT, PackId
from vmbackup_core.repository.primitives.names import pack_name, prefix_of_folder
from vmbackup_core.stores.port import Store, StoredObject


def listed_packs(control: Control, data: Store, point: RecoveryPoint) -> Iterator[StoredObject]:
    """Yield the packs that *point* needs and that are there, each with its size and its tier.

    Healing packs are left out: they never leave the tier that they are put into. Raise
    CorruptRepository where nothing says which packs a disk of it needs.
    """
    for disk in point.disks:
        listed = data.list(prefix_of_folder(disk.chain_id, "p"))
        yield from _listed(_needed(control, disk), listed)


def _needed(control: Control, disk: PointDisk) -> Iterator[str]:
    """Yield the names of the packs that the disk's commit needs, in order of listings."""
    found = find_commit(control, disk.chain_id, disk.slot)
    if found is None or found.commit is None:
        what = "is lost" if found is None else f"is damaged: {found.damage}"
        raise CorruptRepository(
            f"{disk.name}: the commit in slot {disk.slot} of chain {disk.chain_id} {what}, so "
            "nothing says which packs it needs"
        )
    for part in OpenList.of(control, found.commit, disk.chain_id).parts():
        for entry in part:
            if entry.kind == PACK and entry.session.slot != HEALING_SLOT:
                pack = PackId(entry.session.slot, entry.session.session, entry.number)
                yield pack_name(disk.chain_id, pack)


def _listed(needed: Iterable[str], listed: Iterator[StoredObject]) -> Iterator[StoredObject]:
    """Yield those of *listed* that are *needed*; both are in order."""
    at = next(listed, None)
    for name in needed:
        while at is not None and at.name < name:
            at = next(listed, None)
        if at is not None and at.name == name:
            yield at
