"""What Azure said of a VM when its backup was accepted: in memory, until its point is recorded.

A restore needs it and a status has no room for it. What an earlier process kept is asked for again.
"""

from __future__ import annotations

import hashlib
import zlib

from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.vm_description import VmDescription
from vmbackup_operator.naming import ArmId
from vmbackup_operator.sessions.findings import machine_of, resolved_of, run_of
from vmbackup_operator.sessions.ground import Ground


def digest_of(description: str) -> str:
    """Return what a session's status says of the description."""
    return hashlib.sha256(description.encode()).hexdigest()


def keep_description(ground: Ground, session: BackupSession, description: str) -> None:
    """Keep the VM's description, packed: some thousands of sessions may be under way."""
    ground.descriptions[run_of(session)] = zlib.compress(description.encode())


def drop_description(ground: Ground, session: BackupSession) -> None:
    """Drop it: the session's recovery point has it, or will never be."""
    if session.status.run_id is not None:
        ground.descriptions.pop(session.status.run_id, None)


async def description_of(ground: Ground, session: BackupSession) -> str:
    """Return the VM as it was when the session was accepted; else as it is; else as resolved."""
    machine = machine_of(session)
    packed = ground.descriptions.get(run_of(session))
    if packed is not None:
        kept = zlib.decompress(packed).decode()
        # A session that was begun anew under the same run id has another one, or none yet.
        if digest_of(kept) == machine.description_digest:
            return kept
    seen = await ground.virtual_machines.find(ArmId(machine.id))
    if seen is not None:
        return seen.description
    return VmDescription("session", resolved=resolved_of(session)).text
