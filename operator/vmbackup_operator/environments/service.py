"""What every kind of an environment's resources says about itself to the walk over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.differences import differing
from vmbackup_operator.environments.plan import Plan
from vmbackup_operator.environments.ports import Kind
from vmbackup_operator.naming import ArmId
from vmbackup_operator.reconciling.outcome import Done, Failed, Outcome, Waiting

#: Azure's words for an end that is none: asked for again, it usually succeeds.
FAILED_STATES = frozenset({"failed", "canceled"})

#: How long until a resource that Azure is busy with is looked at again.
LOOK_AGAIN_S = 1.0

#: And one that we asked for ourselves: asking for it again waits for its end.
ASK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Desired:
    """One resource as it should be, behind those that it needs.

    Those in *needs* must be good, those in *after* only be finished with, whatever they wait for.
    One without *body* is never written, only looked at; where it is absent that is a failure, or,
    where somebody else of ours makes it, waited for. *account* is the repository's account that the
    resource is there for, None for what everybody in the region needs. *unclear* says why nobody
    can tell which resource it is: then it is neither looked at nor written.
    """

    id: ArmId
    body: Body | None
    needs: tuple[ArmId, ...] = ()
    after: tuple[ArmId, ...] = ()
    absent: Literal["fail", "wait"] = "fail"
    account: ArmId | None = None
    unclear: str = ""


def provisioned(body: Body) -> Outcome:
    """Say whether Azure has finished with the resource; a missing state means that it has."""
    state = text_at(body, "properties", "provisioningState")
    if folded(state) in {"", "succeeded"}:
        return Done()
    return Waiting(LOOK_AGAIN_S, f"{text_at(body, 'name')} is {state}")


def as_failed(desired: Desired, error: PermanentError) -> Outcome:
    """Say that Azure refused, in its own words."""
    del desired
    return Failed(error.reason, str(error))


def by_name(plan: Plan, existing: Body) -> str:
    """Return no doubt: what has a computed name in a group of ours is ours."""
    del plan, existing
    return ""


@dataclass(frozen=True, slots=True)
class Service:
    """One kind of resource: what is owed of it, what to send, and when one is good.

    *refused* says what follows where Azure refuses to make it; *unclear*, of one that exists, why
    it may be somebody else's: then nothing is written to it.
    """

    kind: Kind
    condition: str
    desired: Callable[[Plan], Iterable[Desired]]
    compare: Callable[[Body, Body], Body | None] = differing
    judge: Callable[[Body], Outcome] = provisioned
    refused: Callable[[Desired, PermanentError], Outcome] = as_failed
    unclear: Callable[[Plan, Body], str] = by_name
