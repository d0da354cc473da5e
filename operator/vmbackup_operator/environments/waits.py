"""Waits of a region's resources: since when, as the object's status has it, and how they end.

A wait that has lasted for too long becomes a failure that says what to do; the resource is still
looked at. Times come from status, so a process that restarts often gives up at the same moment; one
that lies ahead of now is not believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.walk import UNAVAILABLE, UNCLEAR, Line
from vmbackup_operator.model.region_environment import EnvironmentResource
from vmbackup_operator.reconciling.outcome import Failed, Waiting

APPROVAL_PENDING = "ApprovalPending"


@dataclass(frozen=True, slots=True)
class _End:
    """How long a wait may last, what it then is called, and what to do."""

    after: timedelta
    reason: str
    advice: str


def _end_of(waiting_for: str) -> _End:
    match waiting_for:
        case "ApprovalPending":
            # People who approve have nights and weekends.
            return _End(
                timedelta(days=3),
                reason="ApprovalNotGiven",
                advice="approve the connection there, or delete the endpoint to have it asked for"
                " again",
            )
        case "OwnershipUnclear":
            advice = "nothing goes on until somebody decides"
            return _End(timedelta(hours=1), reason=UNCLEAR, advice=advice)
        case "AzureUnavailable":
            advice = "look at Azure's own status, and at the operator's proxy and DNS"
            return _End(timedelta(hours=24), reason=UNAVAILABLE, advice=advice)
        case _:
            # Azure makes nothing of a region for longer than a few minutes.
            return _End(
                timedelta(hours=2),
                reason="RegionNotFinished",
                advice="Azure has not finished with it: look at it there; what is deleted is made"
                " again",
            )


def with_ends(
    lines: Iterable[Line], before: Sequence[EnvironmentResource], now: datetime
) -> tuple[Line, ...]:
    """Return *lines*, those that have waited for too long as failed."""
    since = {folded(resource.id): resource for resource in before}
    return tuple(_ended(line, since.get(folded(line.id)), now) for line in lines)


def _ended(line: Line, before: EnvironmentResource | None, now: datetime) -> Line:
    outcome = line.outcome
    since = _since(line, before, now)
    if since is None or not isinstance(outcome, Waiting):
        return line
    end = _end_of(line.waiting_for)
    if now - since < end.after:
        return line
    message = f"{outcome.message}, since {since:%Y-%m-%dT%H:%M:%SZ}: {end.advice}"
    return replace(line, outcome=Failed(end.reason, message))


def resources_of(
    lines: Iterable[Line], before: Sequence[EnvironmentResource], now: datetime
) -> tuple[EnvironmentResource, ...]:
    """Return the resources as status lists them, with what each waits for and since when."""
    known = {folded(resource.id): resource for resource in before}
    return tuple(_resource(line, known.get(folded(line.id)), now) for line in lines)


def _resource(line: Line, before: EnvironmentResource | None, now: datetime) -> EnvironmentResource:
    if not line.waiting_for:
        return EnvironmentResource(line.kind, line.id)
    since = _since(line, before, now) or now.replace(microsecond=0)
    return EnvironmentResource(line.kind, line.id, line.waiting_for, since)


def _since(line: Line, before: EnvironmentResource | None, now: datetime) -> datetime | None:
    """Return since when the line waits for what it waits for, None where status does not say."""
    if before is None or not line.waiting_for or before.waiting_for != line.waiting_for:
        return None
    return before.since if before.since is not None and before.since <= now else None
