"""Which VMs are there: each resource group is listed once for all policies."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from vmbackup_core.clock import Clock
from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.naming import ArmId, resource_group_of, subscription_of
from vmbackup_operator.policies.ports import MachineListed, VirtualMachineLists

#: A VM that was found is not looked for again before this.
FOUND_FOR_S = 300.0
#: One that was not is looked for again after this: somebody may be making it.
ABSENT_FOR_S = 60.0
#: So long a refusal stands for the whole group: a policy may name a hundred of its VMs.
REFUSED_FOR_S = 5.0

Group = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list of a group came to, and when."""

    at_s: float
    machines: dict[str, MachineListed] = field(default_factory=dict)
    refusal: PermanentError | TransientError | None = None


class Presence:
    """Remembers which VMs are there, and which are not."""

    def __init__(self, clock: Clock, lists: VirtualMachineLists) -> None:
        self._clock = clock
        self._lists = lists
        self._listed: dict[Group, Listed] = {}
        self._locks: defaultdict[Group, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def find(self, vm_id: ArmId) -> MachineListed | None:
        """Return the VM as it was listed last, or None; raise what Azure answered instead."""
        group = (subscription_of(vm_id), folded(resource_group_of(vm_id)))
        async with self._locks[group]:
            listed = self._listed.get(group)
            if listed is None or self._is_old(listed, vm_id):
                listed = self._listed[group] = await self._list(group)
        if listed.refusal is not None:
            raise listed.refusal.with_traceback(None)
        return listed.machines.get(folded(vm_id))

    def _is_old(self, listed: Listed, vm_id: ArmId) -> bool:
        limit_s = FOUND_FOR_S if folded(vm_id) in listed.machines else ABSENT_FOR_S
        if listed.refusal is not None:
            limit_s = REFUSED_FOR_S
        return self._clock.monotonic_s() - listed.at_s >= limit_s

    async def _list(self, group: Group) -> Listed:
        try:
            found = await self._lists.of_group(*group)
        except (PermanentError, TransientError) as error:
            return Listed(self._clock.monotonic_s(), refusal=error)
        machines = {folded(each.id): each for each in found}
        return Listed(self._clock.monotonic_s(), machines)
