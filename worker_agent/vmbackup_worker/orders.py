"""What to do with a job's message, decided from what the agent knows of that job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Union

from vmbackup_core.ids import JobId
from vmbackup_core.protocol import Done, Failed, Header
from vmbackup_core.protocol.limits import DEQUEUES

Outcome = Union[Done, Failed]  # noqa: UP007 - evaluated at run time on 3.10

#: Begin: take it up, at once or when its turn comes.  Renew: it is taken up; this message has the
#: newest credentials and takes the older one's place.  Resend: it has ended; say so again.
#: Drop: an older message of a job that is taken up.  GiveUp: it ends its agents.
Order = Literal["Begin", "Renew", "Resend", "Drop", "GiveUp"]


@dataclass(frozen=True, slots=True)
class Known:
    """What became of a job so far: *sequence* is its newest message's; no outcome: taken up."""

    sequence: int
    outcome: Outcome | None = None


def order_for(header: Header, dequeues: int, known: Mapping[JobId, Known]) -> Order:
    """Return what the message of *header*, received *dequeues* times, asks for."""
    before = known.get(header.job_id)
    if before is not None and before.outcome is None:
        # The same number again: its lease had ended, and this delivery is the one to hold.
        return "Renew" if header.sequence >= before.sequence else "Drop"
    if before is not None and (
        isinstance(before.outcome, Done) or header.sequence <= before.sequence
    ):
        return "Resend"
    return "GiveUp" if dequeues > DEQUEUES else "Begin"
