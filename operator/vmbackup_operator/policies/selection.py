"""Which VMs a policy's selector means, and which VMs can't be backed up at all; pure.

Azure compares the names of tags without case and their values with it, and so does a selector.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.model.backup_policy import Selector
from vmbackup_operator.model.exclusions import DiskScope
from vmbackup_operator.naming import WORKER_TAG, is_worker_vm_name, name_of, same_id
from vmbackup_operator.policies.ports import MachineListed


def selected(selector: Selector, listed: Iterable[MachineListed]) -> tuple[MachineListed, ...]:
    """Return those of *listed* that *selector* means, each once, in the order of their ids.

    The scopes are not looked at: *listed* is what Azure lists in them, and they may overlap.
    """
    found = {folded(each.id): each for each in listed if is_selected(selector, each)}
    return tuple(found[key] for key in sorted(found))


def is_selected(selector: Selector, machine: MachineListed) -> bool:
    """Tell whether the VM has all the tags that *selector* asks for and nothing leaves it out."""
    if is_worker(machine) or is_excluded(selector, machine):
        return False
    return all(wanted.is_met_by(machine.tags) for wanted in selector.tags)


def is_excluded(selector: Selector, machine: MachineListed) -> bool:
    """Tell whether any of the exclusion's tags, or its list of ids, leaves the VM out."""
    exclude = selector.exclude
    if any(unwanted.is_met_by(machine.tags) for unwanted in exclude.tags):
        return True
    return any(same_id(machine.id, each) for each in exclude.ids)


def is_worker(machine: MachineListed) -> bool:
    """Tell whether the VM is a worker, of whichever appliance: those come and go with sessions."""
    tagged = tag_value(machine.tags, WORKER_TAG) is not None
    return tagged and is_worker_vm_name(name_of(machine.id))


def why_not_supported(
    machine: MachineListed, excluded_luns: Collection[int], scope: DiskScope = "All"
) -> str | None:
    """Return which disk of the VM there can be no snapshot of, or None where there is none such.

    A data disk that is left out of the backup is in nobody's way. Tags of disks are not listed.
    """
    for disk in machine.disks:
        is_left_out = disk.lun is not None and (scope != "All" or disk.lun in excluded_luns)
        if disk.unsupported is not None and not is_left_out:
            return f"disk {disk.name} of {name_of(machine.id)} {disk.unsupported}"
    return None


def unknown_luns(excluded: Iterable[int], machines: Sequence[MachineListed]) -> list[int]:
    """Return those LUNs of *excluded* at which none of *machines* has a data disk."""
    return sorted(set(excluded) - {lun for each in machines for lun in each.data_disk_luns})
