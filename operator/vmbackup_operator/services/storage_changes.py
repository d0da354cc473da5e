"""What is sent to Azure so that other disks are at their places in a VM: pure, over its body."""

from __future__ import annotations

from collections.abc import Sequence

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, bodies_at, body_at, text_at
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.sessions.rewind_ports import DiskPlace

_OS = "os"
#: What the attached disk says itself.
_OF_THE_DISK = frozenset({"name", "managedDisk", "diskSizeGB", "vhd", "image"})


def next_change(profile: Body, places: Sequence[DiskPlace]) -> Body | None:
    """Return what to send of the storage *profile* next; None once each disk is at its place.

    Azure refuses another disk at a LUN that has one: the old ones are detached first, and with that
    the OS disk is swapped; then the new ones are attached. PermanentError where a disk that no
    place names is at one of them.
    """
    held = {place.position: _held(profile, place) for place in places}
    owed = [place for place in places if held[place.position] != folded(place.disk_id)]
    if not owed:
        return None
    os_disk = next((place for place in owed if place.position == _OS), None)
    leaving = {place.position for place in owed if place.position != _OS and held[place.position]}
    disks = bodies_at(profile, "dataDisks")
    change: Body = {}
    if os_disk is not None:
        change["osDisk"] = _swapped(body_at(profile, "osDisk"), os_disk)
    if leaving:
        change["dataDisks"] = [each for each in disks if _lun(each) not in leaving]
    return change or {"dataDisks": [*disks, *map(_attached, owed)]}


def _held(profile: Body, place: DiskPlace) -> str:
    """Return the folded id of the disk at the place, empty where there is none."""
    found = _disk_id(_at(profile, place.position))
    if found in {folded(place.disk_id), folded(place.instead_of)}:
        return found
    if not found and place.position != _OS:
        return ""
    raise PermanentError(
        f"disk {place.position} of the VM is {found or 'not there'}, neither {place.instead_of} "
        f"nor {place.disk_id}: somebody else has changed it, and it is left alone",
        reason="OtherDiskAttached",
    )


def _at(profile: Body, position: str) -> Body:
    if position == _OS:
        return body_at(profile, "osDisk")
    disks = bodies_at(profile, "dataDisks")
    return next((each for each in disks if _lun(each) == position), {})


def _disk_id(entry: Body) -> str:
    return folded(text_at(entry, "managedDisk", "id"))


def _lun(entry: Body) -> str:
    return str(entry.get("lun"))


def _swapped(entry: Body, place: DiskPlace) -> Body:
    """Return the OS disk's entry with another disk in it, and all else that it says."""
    kept = {name: value for name, value in entry.items() if name not in _OF_THE_DISK}
    managed: Body = {"id": place.disk_id}
    return {**kept, "name": name_of(place.disk_id), "managedDisk": managed}


def _attached(place: DiskPlace) -> Body:
    """Return the entry that attaches a data disk as the one before it was."""
    entry: Body = {
        "lun": int(place.position),
        "createOption": "Attach",
        "managedDisk": {"id": ArmId(place.disk_id)},
    }
    if place.caching:
        entry["caching"] = place.caching
    if place.delete_option:
        entry["deleteOption"] = place.delete_option
    if place.write_accelerator:
        entry["writeAcceleratorEnabled"] = True
    return entry
