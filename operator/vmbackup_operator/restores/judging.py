"""Whether what a plan needs is there where it restores to: pure, over what was seen of Azure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import text_at
from vmbackup_operator.model.restore_session import RestoreTarget
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Failed
from vmbackup_operator.restores import referring
from vmbackup_operator.restores.planning.planned import Planned
from vmbackup_operator.restores.quotas import quotas_of_disk, short_quota
from vmbackup_operator.sessions.target_ports import ResourceSeen, SizeSeen, Usage


@dataclass(frozen=True, slots=True)
class TargetSeen:
    """What was seen: resources by their folded ids, quotas, and the size; None: none such."""

    resources: Mapping[str, ResourceSeen]
    usages: Sequence[Usage] = ()
    size: SizeSeen | None = None

    def at(self, resource_id: str) -> ResourceSeen | None:
        """Return the resource, or None where there is none."""
        return self.resources.get(folded(resource_id))


def made_ids(planned: Planned) -> tuple[ArmId, ...]:
    """Return the ids of all that the plan makes."""
    machine = () if planned.machine is None else (planned.machine.id,)
    disks = (each.id for each in planned.disks)
    return (*disks, *(each.id for each in planned.interfaces), *machine)


def looked_at(planned: Planned, target: RestoreTarget) -> tuple[ArmId, ...]:
    """Return the ids of what has to be looked at before anything is made, each once."""
    ids = [group_of(target), *made_ids(planned), *referring.looked_at(planned)]
    return tuple({folded(each): each for each in ids}.values())


def group_of(target: RestoreTarget) -> ArmId:
    """Return the id of the resource group that is restored into."""
    return ArmId(f"/subscriptions/{target.subscription_id}/resourceGroups/{target.resource_group}")


def size_wanted(planned: Planned) -> str:
    """Return the name of the VM's size; empty where no VM is made."""
    if planned.machine is None:
        return ""
    return text_at(planned.machine.body, "properties", "hardwareProfile", "vmSize")


def judge(planned: Planned, target: RestoreTarget, run: RunId, seen: TargetSeen) -> Failed | None:
    """Return why the plan cannot be carried out, None where nothing stands against it."""
    if seen.at(group_of(target)) is None:
        message = f"there is no resource group {group_of(target)}: create it"
        return Failed("ResourceGroupNotFound", message)
    return (
        _taken(planned, run, seen)
        or referring.unusable(planned, target, seen.at)
        or _short_quota(planned, target, seen)
    )


def _taken(planned: Planned, run: RunId, seen: TargetSeen) -> Failed | None:
    for each in made_ids(planned):
        found = seen.at(each)
        # What this run has made already is no obstacle: the session goes on with it.
        if found is not None and found.run_id != run:
            message = (
                f"{found.id} is there already, and nothing is overwritten: name another one in "
                "spec.target or spec.overrides, or delete it"
            )
            return Failed("NameTaken", message)
    return None


def _short_quota(planned: Planned, target: RestoreTarget, seen: TargetSeen) -> Failed | None:
    """Return which quota of the region is too small, or which size is not to be had."""
    if planned.machine is not None and seen.size is None:
        message = (
            f"subscription {target.subscription_id} cannot have VMs of size "
            f"{size_wanted(planned)} in {target.region}: name another one in spec.target.vmSize"
        )
        return Failed("SizeNotAvailable", message)
    wanted = _wanted(planned, seen.size)
    return short_quota(wanted, target.region, seen.usages, "restore to another region")


def _wanted(planned: Planned, size: SizeSeen | None) -> Iterator[str]:
    """Yield the name of a quota for each core, VM and disk that counts on it."""
    for disk in planned.disks:
        yield from quotas_of_disk(disk.body)
    if planned.machine is None or size is None:
        return
    yield "virtualMachines"
    priority = folded(text_at(planned.machine.body, "properties", "priority"))
    # Spot VMs have a quota of their own, whatever their family.
    names = ("lowPriorityCores",) if priority in {"spot", "low"} else ("cores", size.family)
    for name in names:
        yield from [name] * size.cores
