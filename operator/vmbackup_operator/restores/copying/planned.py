"""The plan of a restore whose disks are copies: the same whenever it is asked for."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.restores.counting import find_counted
from vmbackup_operator.restores.digests import check_accepted, digest_of
from vmbackup_operator.restores.planning.plan import plan_restore, read_description
from vmbackup_operator.restores.planning.planned import Planned
from vmbackup_operator.sessions.findings import restored_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.seen import PointOfSet
from vmbackup_operator.sessions.step import Answer


async def planned_of(ground: Ground, session: RestoreSession) -> Planned | Answer:
    """Return what the session makes, or what is to be waited for.

    The point is asked for once, and again after a restart; PermanentError where the plan is not
    the one that was accepted.
    """
    run = run_of(session)
    point = ground.copied_points.get(run)
    if point is None:
        found = await find_counted(ground, session)
        if not isinstance(found, PointOfSet):
            return found
        point = ground.copied_points[run] = found
    return plan_copies(session, point)


def plan_copies(session: RestoreSession, point: PointOfSet) -> Planned:
    """Return what is made of the *point*, by the rules of every restore."""
    description = read_description(point.description)
    planned = plan_restore(description, point.disks, session.spec, run_of(session))
    accepted = restored_of(session).plan_digest
    if not point.description and accepted not in {"", digest_of(planned)}:
        # The object of a set alone is the only one to hold it.
        raise PermanentError(
            "the RecoveryPoint no longer holds what Azure said of the VM, by which this session "
            "was accepted: its object was deleted meanwhile. Make another session once there is "
            "one again, of disks",
            reason="VirtualMachineNotDescribed",
        )
    return check_accepted(planned, accepted)
