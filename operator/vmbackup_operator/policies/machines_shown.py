"""What a policy's status shows of its VMs, and which of them have come or gone since; pure.

A VM is shown as GROUP/NAME, as people call it, and compared without case. The status is all the
memory that there is of which VMs were known before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    MachineFound,
    MachinesShown,
    Unprotected,
)
from vmbackup_operator.model.conditions import cut, one_word
from vmbackup_operator.naming import ArmId, name_of, resource_group_of
from vmbackup_operator.policies.standing import Machine

#: The schema's bounds: names of VMs, those that were found last, and those that are not protected.
MOST_NAMES = 200
MOST_FOUND = 10
MOST_UNPROTECTED = 20
#: So long a reason's message is shown.
MAX_WHY = 256


def shown_name(vm_id: ArmId) -> str:
    """Return what the VM is called in a status: its group and its name; what is no id, as it is."""
    try:
        return f"{resource_group_of(vm_id)}/{name_of(vm_id)}"
    except PermanentError:
        return vm_id


def machines_shown(
    before: MachinesShown | None, machines: Sequence[Machine], now: datetime, *, discovers: bool
) -> MachinesShown:
    """Return what the status shows of *machines*; *discovers*: new ones are found by themselves."""
    names = _names(each.id for each in machines if each.is_able)
    lacking = sorted((each for each in machines if not each.is_able), key=_order)
    since = now.replace(microsecond=0)
    known = {folded(name) for name in names}
    found = [MachineFound(name, since) for name in newcomers(before, names) if discovers]
    if before is not None:
        found += [each for each in before.found if folded(each.name) in known]
    return MachinesShown(
        count=len(names),
        unprotected_count=len(lacking),
        names=tuple(names[:MOST_NAMES]),
        found=tuple(found[:MOST_FOUND]),
        unprotected=tuple(map(_unprotected, lacking[:MOST_UNPROTECTED])),
    )


def newcomers(before: MachinesShown | None, names: Iterable[str]) -> list[str]:
    """Return those of *names* that are not in *before*, where that can be told.

    Nothing is new where nothing was shown before. Of VMs behind the last one that there was room
    for, nobody knows.
    """
    if before is None:
        return []
    known = {folded(name) for name in before.names}
    cut_off = before.count > len(before.names)
    last = max(known, default="")
    return [
        name
        for name in names
        if folded(name) not in known and not (cut_off and folded(name) > last)
    ]


def leavers(before: MachinesShown | None, machines: Iterable[Machine]) -> list[str]:
    """Return the names in *before* that none of *machines* has, able or not."""
    if before is None:
        return []
    known = {folded(shown_name(each.id)) for each in machines}
    return [name for name in before.names if folded(name) not in known]


def is_protected(shown: MachinesShown) -> Callable[[str], bool]:
    """Return what tells of a VM's name in small letters whether the policy backs it up.

    Where the status has no room for all names, those behind the last one are taken to be.
    """
    known = {folded(name) for name in shown.names}
    cut_off, last = shown.count > len(shown.names), max(known, default="")
    return lambda name: name in known or (cut_off and name > last)


def known_since(
    policy: BackupPolicy, shown: MachinesShown, name: str, *others: datetime | None
) -> datetime | None:
    """Return since when the policy has known the VM, called so in small letters, at the latest.

    The status names those that were found last: where that list is full, the VM may have been found
    together with its oldest one. *others* are moments from which else a policy counts.
    """
    found = {folded(each.name): each.since for each in shown.found}
    if name in found:
        return found[name]
    since = [each for each in (policy.metadata.creation_timestamp, *others) if each is not None]
    if len(shown.found) >= MOST_FOUND:
        since.append(min(found.values()))
    return max(since, default=None)


def protected_names(machines: Iterable[Machine]) -> list[str]:
    """Return the names of those of *machines* that can be backed up, in order."""
    return _names(each.id for each in machines if each.is_able)


def _names(ids: Iterable[ArmId]) -> list[str]:
    names = {folded(name): name for name in map(shown_name, ids)}
    return [names[key] for key in sorted(names)]


def _unprotected(machine: Machine) -> Unprotected:
    finding = machine.finding
    if finding is None:
        raise AssertionError("a VM that cannot be backed up has a finding")
    message = cut(finding.message, MAX_WHY)
    return Unprotected(shown_name(machine.id), one_word(finding.reason), message)


def _order(machine: Machine) -> str:
    return folded(shown_name(machine.id))
