"""What is sent to Azure so that other disks are at their places in a VM."""

from __future__ import annotations

import pytest

from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId
from vmbackup_operator.services.storage_changes import next_change
from vmbackup_operator.sessions.rewind_ports import DiskPlace

DISKS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks"


def disk(name: str) -> ArmId:
    return ArmId(f"{DISKS}/{name}")


def system(name: str) -> Body:
    """Return an OS disk's entry, with a property that this version does not know."""
    return {
        "name": name,
        "osType": "Linux",
        "createOption": "FromImage",
        "caching": "ReadWrite",
        "deleteOption": "Delete",
        "diskSizeGB": 30,
        "newcomer": {"kept": True},
        "managedDisk": {"storageAccountType": "Premium_LRS", "id": disk(name)},
    }


def data(lun: int, name: str) -> Body:
    return {"lun": lun, "name": name, "newcomer": lun, "managedDisk": {"id": disk(name)}}


def place(position: str, new: str, old: str) -> DiskPlace:
    how = ("ReadOnly", "Detach")
    return DiskPlace(position, disk(new), disk(old), *how, write_accelerator=True)


PROFILE: Body = {
    "osDisk": system("os"),
    "dataDisks": [data(0, "a"), data(7, "b")],
    "imageReference": {"id": "an image"},
}
ALL = [place("os", "new-os", "os"), place("7", "new-b", "b")]


def test_old_data_disks_go_with_the_swap_of_the_os_disk_and_new_ones_come_after_it() -> None:
    first = next_change(PROFILE, ALL)
    assert first is not None
    assert first["dataDisks"] == [data(0, "a")]

    second = next_change({**PROFILE, **first}, ALL)
    attached: Body = {
        "lun": 7,
        "createOption": "Attach",
        "managedDisk": {"id": disk("new-b")},
        "caching": "ReadOnly",
        "deleteOption": "Detach",
        "writeAcceleratorEnabled": True,
    }
    assert second == {"dataDisks": [data(0, "a"), attached]}
    assert next_change({**PROFILE, **first, **second}, ALL) is None


def test_of_the_os_disk_nothing_changes_but_the_disk() -> None:
    changed = next_change(PROFILE, ALL[:1])

    assert changed is not None
    assert changed.keys() == {"osDisk"}
    before = {**system("os")}
    for of_the_disk in ("name", "managedDisk", "diskSizeGB"):
        del before[of_the_disk]
    wanted = {**before, "name": "new-os", "managedDisk": {"id": disk("new-os")}}
    assert changed["osDisk"] == wanted


def test_ids_are_compared_as_azure_writes_them() -> None:
    shouted: Body = {
        **PROFILE,
        "osDisk": {**system("os"), "managedDisk": {"id": disk("OS").upper()}},
    }

    assert next_change(shouted, [place("os", "os", "other")]) is None
    assert next_change(shouted, [place("os", "new-os", "os")]) is not None


@pytest.mark.parametrize(
    "places",
    [
        [place("7", "new-b", "somebodys")],
        [place("os", "new-os", "somebodys")],
        [*ALL, place("0", "x", "y")],
    ],
    ids=["a data disk", "the os disk", "one of many"],
)
def test_a_disk_that_nobody_names_is_left_alone(places: list[DiskPlace]) -> None:
    with pytest.raises(PermanentError) as refused:
        next_change(PROFILE, places)

    assert refused.value.reason == "OtherDiskAttached"
