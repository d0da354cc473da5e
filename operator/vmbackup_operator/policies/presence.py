"""Which VMs are there: each group and subscription is listed once for all policies."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

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

#: subscriptions, and its id.
_SUBSCRIPTION_PARTS = 2

#: A subscription and one of its resource groups; all of them where there is no name.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list of a place came to, and when; after a refusal, what was there before."""

    at_s: float
    machines: dict[str, MachineListed] = field(default_factory=dict)
    refusal: PermanentError | TransientError | None = None


class Presence:
    """Remembers which VMs are there, and which are not."""

    def __init__(self, clock: Clock, lists: VirtualMachineLists, interval_s: float) -> None:
        self._clock = clock
        self._lists = lists
        self._interval_s = interval_s
        self._listed: dict[Place, Listed] = {}
        self._locks: defaultdict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)

    def now_s(self) -> float:
        """Return the moment that *absent_since_s* of `find` is counted on, in seconds."""
        return self._clock.monotonic_s()

    async def find(self, vm_id: ArmId, absent_since_s: float | None = None) -> MachineListed | None:
        """Return the VM as it was listed last, or None; raise what Azure answered instead.

        Only a list that is no older than *absent_since_s* tells that the VM is not there.
        """
        place = (subscription_of(vm_id), folded(resource_group_of(vm_id)))
        listed = await self._ensure(place, vm_id, absent_since_s)
        if listed.refusal is not None:
            raise listed.refusal.with_traceback(None)
        return listed.machines.get(folded(vm_id))

    async def within(self, scope: ArmId) -> Sequence[MachineListed]:
        """Return the VMs of *scope*, a subscription or a group; raise what Azure said instead."""
        listed = await self._ensure(_place_of(scope), None)
        if listed.refusal is not None:
            raise listed.refusal.with_traceback(None)
        return list(listed.machines.values())

    def last_seen_within(self, scope: ArmId) -> Sequence[MachineListed] | None:
        """Return the VMs that *scope* had when it was listed last; None where it never was."""
        listed = self._listed.get(_place_of(scope))
        if listed is None or (listed.refusal is not None and not listed.machines):
            return None
        return list(listed.machines.values())

    async def _ensure(
        self, place: Place, vm_id: ArmId | None, absent_since_s: float | None = None
    ) -> Listed:
        """Return a list of the place that is recent enough, for *vm_id* where one is meant."""
        async with self._locks[place]:
            listed = self._listed.get(place)
            if listed is None or self._is_old(listed, vm_id, absent_since_s):
                listed = self._listed[place] = await self._list(place, listed)
        return listed

    def _is_old(self, listed: Listed, vm_id: ArmId | None, absent_since_s: float | None) -> bool:
        age_s = self._clock.monotonic_s() - listed.at_s
        if listed.refusal is not None:
            return age_s >= REFUSED_FOR_S
        if vm_id is None:
            since_s = since_discovery(self._clock.now(), self._interval_s)
            return age_s >= FOUND_FOR_S or age_s > since_s
        if folded(vm_id) in listed.machines:
            return age_s >= FOUND_FOR_S
        is_older = absent_since_s is not None and listed.at_s < absent_since_s
        return is_older or age_s >= ABSENT_FOR_S

    async def _list(self, place: Place, before: Listed | None) -> Listed:
        subscription, group = place
        try:
            if group:
                found = await self._lists.of_group(subscription, group)
            else:
                found = await self._lists.of_subscription(subscription)
        except (PermanentError, TransientError) as error:
            known = {} if before is None else before.machines
            return Listed(self._clock.monotonic_s(), known, error)
        machines = {folded(each.id): each for each in found}
        return Listed(self._clock.monotonic_s(), machines)


def since_discovery(now: datetime, interval_s: float) -> float:
    """Return how long ago VMs were to be listed anew; the same moment for all policies."""
    return now.timestamp() % interval_s


def until_discovery(now: datetime, interval_s: float) -> float:
    """Return how long it is until VMs are to be listed anew."""
    return interval_s - since_discovery(now, interval_s)


def _place_of(scope: ArmId) -> Place:
    """Return what is listed for *scope*."""
    is_group = len(scope.strip("/").split("/")) > _SUBSCRIPTION_PARTS
    return (subscription_of(scope), folded(resource_group_of(scope)) if is_group else "")
