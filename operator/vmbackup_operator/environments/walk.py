"""Makes what is desired be there: looks at everything and asks for what differs, needs first.

One walk is one pass of a reconcile: it waits a moment for what it asked for, so that what Azure
makes at once is used at once, and tells how everything stands. Walking again is harmless; a second
walk over what is there sends nothing but GETs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass

from vmbackup_core.errors import PermanentError, TransientError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.plan import Plan
from vmbackup_operator.environments.ports import Kind, ResourceManager
from vmbackup_operator.environments.service import (
    ASK_AGAIN_S,
    FAILED_STATES,
    LOOK_AGAIN_S,
    Desired,
    Service,
    provisioned,
)
from vmbackup_operator.naming import ArmId, name_of
from vmbackup_operator.reconciling.outcome import Done, Failed, Outcome, Waiting

# Nothing is asked for later than this after a walk's beginning; what was asked for is waited for a
# moment more (`ResourceManager.put`).
_BEGIN_WITHIN_S = 1.5

# Azure's bad minute, where it did not say how long.
_RETRY_S = 5.0
UNAVAILABLE = "AzureUnavailable"

#: Something may be ours and does not prove it: somebody has to look, which takes a while.
UNCLEAR = "OwnershipUnclear"
_UNCLEAR_S = 60.0

#: Azure's word for what a policy of the company forbids.
POLICY_REFUSAL = "RequestDisallowedByPolicy"


@dataclass(frozen=True, slots=True)
class Line:
    """How one resource stands; *error* is what Azure answered where it refused."""

    kind: Kind
    id: ArmId
    condition: str
    outcome: Outcome
    finished: bool
    written: bool
    error: PermanentError | TransientError | None = None
    #: The repository's account that the resource is there for, None for what everybody needs.
    account: ArmId | None = None
    #: Where Azure has it, as far as it was seen.
    region: str = ""
    #: Why it waits for something of its own, not merely for another resource; empty where not.
    waiting_for: str = ""


class Walk:
    """One pass over *table* for *plan*.

    *confirmed* holds what an earlier pass of the same building saw ready, and gains what this one
    sees: a region comes up in several passes, and what stands is looked at in the first of them.
    *looked_at* is what the caller has just read, not judged yet.
    """

    def __init__(
        self,
        manager: ResourceManager,
        plan: Plan,
        table: Iterable[Service],
        confirmed: MutableMapping[ArmId, Body],
        looked_at: Mapping[ArmId, Body],
    ) -> None:
        self._manager = manager
        self._plan = plan
        self._confirmed = confirmed
        self._looked_at = looked_at
        self._wanted = {
            desired.id: (service, desired) for service in table for desired in service.desired(plan)
        }
        self._tasks: dict[ArmId, asyncio.Task[Line]] = {}
        self._written: set[ArmId] = set()
        self._finished: set[ArmId] = set()
        self._regions: dict[ArmId, str] = {}

    async def run(self) -> list[Line]:
        """Return how every resource stands, in the table's order."""
        end = asyncio.get_running_loop().time() + _BEGIN_WITHIN_S
        async with asyncio.TaskGroup() as group:
            for service, desired in self._wanted.values():
                self._tasks[desired.id] = group.create_task(self._line(service, desired, end))
        return [task.result() for task in self._tasks.values()]

    async def _line(self, service: Service, desired: Desired, end: float) -> Line:
        error: PermanentError | TransientError | None = None
        missing = await self._missing(desired)
        outcome: Outcome
        try:
            if missing is None:
                outcome = await self._settle(service, desired, end)
            else:
                message = f"{name_of(desired.id)} waits for {name_of(missing)}"
                outcome = Waiting(LOOK_AGAIN_S, message)
        except (PermanentError, TransientError) as refusal:
            outcome, error = _refused(service, desired, refusal), refusal
        waits = missing is None and isinstance(outcome, Waiting)
        return Line(
            kind=service.kind,
            id=desired.id,
            condition=service.condition,
            outcome=outcome,
            finished=desired.id in self._finished,
            written=desired.id in self._written,
            error=error,
            account=desired.account,
            region=self._regions.get(desired.id, ""),
            waiting_for=outcome.reason if waits and isinstance(outcome, Waiting) else "",
        )

    async def _settle(self, service: Service, desired: Desired, end: float) -> Outcome:
        if desired.unclear:
            return _unclear(desired.unclear)
        body = self._confirmed.get(desired.id) or await self._look(service, desired, end)
        if body is None:
            ours = self._manager.under_way(desired.id)
            seconds = ASK_AGAIN_S if ours else LOOK_AGAIN_S
            return Waiting(seconds, f"{name_of(desired.id)} is not there yet")
        doubt = "" if desired.account else service.unclear(self._plan, body)
        if doubt:
            return _unclear(doubt)
        self._regions[desired.id] = text_at(body, "location")
        if isinstance(provisioned(body), Done):
            self._finished.add(desired.id)
        outcome = service.judge(body)
        if isinstance(outcome, Done):
            self._confirmed[desired.id] = body
        return outcome

    async def _missing(self, desired: Desired) -> ArmId | None:
        """Return a resource that has to be there before the desired one can be, or None."""
        for need in (*desired.needs, *desired.after):
            task = self._tasks.get(need)
            line = None if task is None else await task
            if line is None or isinstance(line.outcome, Done):
                continue
            if need in desired.needs or not line.finished:
                return need
        return None

    async def _look(self, service: Service, desired: Desired, end: float) -> Body | None:
        """Return the resource as it should be, or None where it is still on its way there."""
        if self._manager.under_way(desired.id) and desired.body is not None:
            return await self._put(service, desired, desired.body)
        found = self._looked_at.get(desired.id)
        found = found or await self._manager.find(service.kind, desired.id)
        if desired.body is None:
            return found if desired.absent == "wait" else _there(service.kind, desired.id, found)
        owed: Body | None = desired.body
        if found is not None:
            # What may be somebody else's is never written to.
            doubtful = bool(service.unclear(self._plan, found))
            owed = None if doubtful else _owed(service, desired.body, found)
        if owed is None:
            return found
        if asyncio.get_running_loop().time() > end:
            return None
        return await self._put(service, desired, owed)

    async def _put(self, service: Service, desired: Desired, body: Body) -> Body | None:
        self._written.add(desired.id)
        return await self._manager.put(service.kind, desired.id, body)


def _refused(service: Service, desired: Desired, error: PermanentError | TransientError) -> Outcome:
    """Say what follows from a refusal, with what to do where a company's policy refused."""
    if POLICY_REFUSAL in str(error):
        message = (
            f"a policy of the subscription refuses {name_of(desired.id)}: put the tags that it asks"
            f" for under `tags` in the settings, or ask for an exemption ({error})"
        )
        return Failed(POLICY_REFUSAL, message)
    if isinstance(error, PermanentError):
        return service.refused(desired, error)
    # A refusal that may end by itself says what it will be called once it has lasted too long.
    reason = str(getattr(error, "reason", UNAVAILABLE))
    return Waiting(error.retry_after_s or _RETRY_S, str(error), reason)


def _unclear(doubt: str) -> Waiting:
    message = f"{doubt}: nothing is written to it. Remove it, or make it ours by `vmbackup adopt`"
    return Waiting(_UNCLEAR_S, message, UNCLEAR)


def _there(kind: Kind, resource_id: ArmId, found: Body | None) -> Body:
    if found is None:
        message = f"{resource_id} does not exist: create it, or correct what names it"
        raise PermanentError(message, reason=f"{kind}NotFound")
    return found


def _owed(service: Service, desired: Body, found: Body) -> Body | None:
    """Return what to send, nothing while Azure is still at it: a second PUT would be refused."""
    state = folded(text_at(found, "properties", "provisioningState"))
    differing = service.compare(desired, found)
    if state in FAILED_STATES:
        return differing or desired
    return differing if state in {"", "succeeded"} else None


def conditions_of(lines: Iterable[Line]) -> Mapping[str, Outcome]:
    """Return the worst that was said under each condition: failed, then waiting, then done."""
    worst: dict[str, Outcome] = {}
    for line in lines:
        held = worst.get(line.condition)
        if held is None or _weight(line.outcome) > _weight(held):
            worst[line.condition] = line.outcome
    return worst


def _weight(outcome: Outcome) -> tuple[int, int]:
    if isinstance(outcome, Failed):
        return (3, 0)
    if isinstance(outcome, Waiting):
        # What says why something takes long tells more than what merely waits for it.
        return (2, outcome.reason != "InProgress")
    return (1, 0)


def whole(lines: Iterable[Line]) -> Outcome:
    """Return how it all stands: the first failure, else the wait, else done.

    Where Azure asked for patience it is obeyed, else what is soonest decides; the message is that
    of what tells most.
    """
    listed = list(lines)
    failed = next((line.outcome for line in listed if isinstance(line.outcome, Failed)), None)
    if failed is not None:
        return failed
    waiting = [line for line in listed if isinstance(line.outcome, Waiting)]
    if not waiting:
        return Done()
    # What merely waits for another resource neither tells why nor how long it takes.
    own = [line for line in waiting if line.waiting_for] or waiting
    waits = [line.outcome for line in own if isinstance(line.outcome, Waiting)]
    telling = max(waits, key=_weight)
    asked = [wait.seconds for wait in waits if wait.reason == UNAVAILABLE]
    seconds = max(asked) if asked else min(wait.seconds for wait in waits)
    return Waiting(seconds, telling.message, telling.reason)
