"""One disk or snapshot that Azure makes of another: asked for once, and waited for."""

from __future__ import annotations

from collections.abc import Callable

from vmbackup_core.errors import LostAttempt, PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.rewind_ports import CopyMade, CopyToMake


async def make_copy(
    ground: Ground, copy_id: ArmId, run: RunId, wanted: Callable[[], CopyToMake]
) -> CopyMade | None:
    """Ask for the copy that is *wanted* unless it is there; return it once it is whole.

    What is there is not asked for: in the middle of the swap, where another operator may have died,
    nobody can say any more what to ask for.
    """
    seen = await ground.copies.find(copy_id)
    if seen is None:
        await ground.copies.request(wanted())
        return None
    if seen.run_id != run:
        message = f"there is a {copy_id} that is not this session's, and nothing is overwritten"
        raise PermanentError(message, reason="NameTaken")
    if seen.failure is not None:
        await ground.copies.delete(copy_id, run)
        raise LostAttempt(f"{copy_id}: {seen.failure}", reason="CopyFailed")
    return seen if seen.ready else None
