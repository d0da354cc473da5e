"""SwapConfirmed: the user's word, by a token that nobody knows before the disks are made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from vmbackup_operator.model.metadata import SWAP_ANNOTATION
from vmbackup_operator.model.restore_session import RestoreSession, RestoreSessionStatus
from vmbackup_operator.naming import ArmId, digest
from vmbackup_operator.reconciling.outcome import Done, Failed, Waiting
from vmbackup_operator.restores.rewinding.planning import next_backup_of
from vmbackup_operator.restores.rewinding.stopping import refuse_started
from vmbackup_operator.restores.rewinding.undo import record_of
from vmbackup_operator.sessions.deadlines import SWAP_NOT_CONFIRMED
from vmbackup_operator.sessions.findings import rewound_of, run_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.rewind_ports import CopyMade
from vmbackup_operator.sessions.step import Taken

_TOKEN_DIGITS = 8
#: The watch tells of the annotation; this is for a VM that is started meanwhile.
_LOOK_AGAIN_S = 300.0


async def await_word(ground: Ground, session: RestoreSession) -> Taken:
    """Wait for the annotation with the token; what follows it is written down first."""
    rewound = rewound_of(session)
    if rewound.swap_confirmed:
        return Taken(session.status, Done("confirmed"))
    if not rewound.swap_token:
        return await _ask(ground, session)
    refused = await refuse_started(ground, session)
    if refused is not None:
        return Taken(session.status, refused)
    if session.metadata.annotations.get(SWAP_ANNOTATION) != rewound.swap_token:
        waiting = Waiting(_LOOK_AGAIN_S, how_to_confirm(session), SWAP_NOT_CONFIRMED)
        return Taken(session.status, waiting)
    status = replace(session.status, rewound=replace(rewound, swap_confirmed=True))
    # Whoever undoes it from here on looks at which disks the VM has.
    await ground.undo_records.keep(record_of(replace(session, status=status)))
    return Taken(status, Done("confirmed"))


async def _ask(ground: Ground, session: RestoreSession) -> Taken:
    """Ask for the word, once a worker has written the disks."""
    disks = [ArmId(each.disk_id) for each in rewound_of(session).disks]
    found = await asyncio.gather(*map(ground.copies.find, disks))
    made = [each for each in found if each is not None]
    if len(made) < len(disks):
        message = "a disk that was made for this session is there no more"
        return Taken(session.status, Failed("DiskNotFound", message))
    return Taken(await ask_for_word(ground, session, made), Waiting(0, "the disks are whole"))


async def ask_for_word(
    ground: Ground, session: RestoreSession, made: Sequence[CopyMade]
) -> RestoreSessionStatus:
    """Tell what has the disks swapped that were *made*; return the status that says it."""
    rewound = rewound_of(session)
    unique_ids = (each.unique_id for each in made)
    token = digest("swap", run_of(session), *unique_ids).hex()[:_TOKEN_DIGITS]
    agreed = replace(rewound, swap_token=token, next_backup=next_backup_of(rewound))
    status = replace(session.status, rewound=agreed)
    told = how_to_confirm(replace(session, status=status))
    await ground.events.tell(session, "Normal", SWAP_NOT_CONFIRMED, told)
    return status


def how_to_confirm(session: RestoreSession) -> str:
    """Return what a person types to have the disks swapped."""
    token, key = rewound_of(session).swap_token, session.metadata.key
    return (
        "the VM is stopped and the new disks are made; to have them swapped: kubectl annotate "
        f"--overwrite --namespace {key.namespace} rses/{key.name} {SWAP_ANNOTATION}={token}"
    )
