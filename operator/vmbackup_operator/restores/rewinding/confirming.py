"""SwapConfirmed: the user's word, by a token that nobody knows before the disks are made."""

from __future__ import annotations

from msgspec.structs import replace

from vmbackup_operator.model.metadata import SWAP_ANNOTATION
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.reconciling.outcome import Done, Waiting
from vmbackup_operator.restores.rewinding.stopping import refuse_started
from vmbackup_operator.restores.rewinding.undo import record_of
from vmbackup_operator.sessions.deadlines import SWAP_NOT_CONFIRMED
from vmbackup_operator.sessions.findings import rewound_of
from vmbackup_operator.sessions.ground import Ground
from vmbackup_operator.sessions.step import Taken

#: The watch tells of the annotation; this is for a VM that is started meanwhile.
_LOOK_AGAIN_S = 300.0


async def await_word(ground: Ground, session: RestoreSession) -> Taken:
    """Wait for the annotation with the token; what follows it is written down first."""
    rewound = rewound_of(session)
    if rewound.swap_confirmed:
        return Taken(session.status, Done("confirmed"))
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


def how_to_confirm(session: RestoreSession) -> str:
    """Return what a person types to have the disks swapped."""
    token, key = rewound_of(session).swap_token, session.metadata.key
    return (
        "the VM is stopped and the new disks are made; to have them swapped: kubectl annotate "
        f"--overwrite --namespace {key.namespace} rses/{key.name} {SWAP_ANNOTATION}={token}"
    )
