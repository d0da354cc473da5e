"""What a recovery point says of its VM always fits into one, and reads as the format has it."""

from __future__ import annotations

import json

from vmbackup_core.repository.control.points.points import DESCRIPTION_BYTES
from vmbackup_operator.model.vm_description import MOST_BYTES, VmDescription

VM = {"name": "web-01", "tags": {"owner": "team"}}


def test_it_has_all_that_the_format_names() -> None:
    said = json.loads(VmDescription("resource-manager", VM, ({"name": "d"},), ({"id": "n"},)).text)

    assert said == {
        "schema": 1,
        "source": "resource-manager",
        "apiVersion": None,
        "virtualMachine": VM,
        "disks": [{"name": "d"}],
        "networkInterfaces": [{"id": "n"}],
        "resolved": None,
        "excludedDisks": [],
    }


def test_a_vm_that_has_gone_is_said_as_its_session_resolved_it() -> None:
    said = json.loads(VmDescription("session", resolved={"name": "web-01"}).text)

    assert (said["source"], said["virtualMachine"]) == ("session", None)
    assert said["resolved"] == {"name": "web-01"}


def test_what_does_not_fit_is_left_out_the_least_needed_first() -> None:
    large = {"x": "y" * MOST_BYTES}
    without_disks = json.loads(VmDescription("resource-manager", VM, (large,), ({"id": "n"},)).text)
    without_both = json.loads(VmDescription("resource-manager", VM, ({},), (large,)).text)
    without_all = VmDescription("resource-manager", large, (), (), large).text

    assert (without_disks["disks"], without_disks["networkInterfaces"]) == ([], [{"id": "n"}])
    assert without_both["virtualMachine"] == VM
    assert without_both["networkInterfaces"] == []
    assert json.loads(without_all)["virtualMachine"] is None
    assert len(without_all) < 200


def test_so_much_is_what_a_point_takes() -> None:
    assert MOST_BYTES == DESCRIPTION_BYTES
