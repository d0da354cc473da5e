"""Sessions of both kinds: how one is named on a command line, and what it is about."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.metadata import GROUP
from vmbackup_operator.model.restore_session import RestoreSession

AnySession = BackupSession | RestoreSession
SESSION_KINDS: tuple[type[BackupSession], type[RestoreSession]] = (BackupSession, RestoreSession)

#: How objects may be named, as kubectl names them.
_PREFIXES: dict[str, type[AnySession]] = {
    "bses": BackupSession,
    "backupsession": BackupSession,
    "backupsessions": BackupSession,
    "rses": RestoreSession,
    "restoresession": RestoreSession,
    "restoresessions": RestoreSession,
}
_SHORT = {
    "BackupPolicy": "bpol",
    "BackupSession": "bses",
    "BackupRepository": "brepo",
    "RecoveryPoint": "rp",
    "RegionEnvironment": "renv",
    "RestoreSession": "rses",
}


def short_name(kind: str, name: str) -> str:
    """Return what kubectl takes for the object: ``bses/NAME``."""
    return f"{_SHORT[kind]}/{name}"


def kind_and_name(said: str) -> tuple[type[AnySession] | None, str]:
    """Return the kind that ``bses/NAME`` or ``rses/NAME`` says, None of a name alone; the name."""
    prefix, _, name = said.rpartition("/")
    if not prefix:
        return None, name
    kind = _PREFIXES.get(folded(prefix).removesuffix(f".{GROUP}"))
    if kind is None:
        raise PermanentError(f"{prefix}/ is no kind of session", reason="Misunderstood")
    return kind, name


def machine_of(session: AnySession) -> str:
    """Return what the VM is called that the session is about, empty where nobody has said yet."""
    display = session.status.display
    if display is not None and display.virtual_machine:
        return display.virtual_machine
    if isinstance(session, BackupSession):
        return session.spec.virtual_machine_id.rsplit("/", 1)[-1]
    return session.spec.target.vm_name or ""


def said_of(session: AnySession) -> str:
    """Return ``bses/NAME: PHASE``."""
    phase = session.status.phase or "Pending"
    return f"{short_name(session.kind, session.metadata.name)} is {phase}"
