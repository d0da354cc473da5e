"""What is known of sessions that have ended, as far as their objects are there: for metrics.

Nobody watches ended sessions, which are many. They are taken in when they end, and whenever
somebody lists them: what is not listed any more has gone. Little is kept of each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.model.backup_session import BackupSession, SessionType
from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.metadata import APPLIANCE_LABEL, POLICY_LABEL, ObjectKey
from vmbackup_operator.model.session import Outcome, Session

Type = SessionType | Literal["Restore"]
Proof = Literal["new", "old"]


@dataclass(frozen=True, slots=True)
class Bytes:
    """What a session has moved; *changed* is what Azure told to have changed, if it was asked."""

    read: int = 0
    stored: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class EndedSession:
    """One that has its outcome; *vm_id* is in small letters, None of a restore.

    *covers* is the moment that its recovery point brings back, None where it made none. *proves* is
    what was read back: new packs alone, or old ones by turns as well; None where it proves nothing.
    """

    key: ObjectKey
    uid: str
    appliance_id: str | None
    type: Type
    outcome: Outcome
    reason: str
    began: datetime | None
    ended: datetime | None
    policy: ObjectKey | None
    repository: ObjectKey | None
    vm_id: str | None
    covers: datetime | None = None
    proves: Proof | None = None
    moved: Bytes = Bytes()


class EndedSessions:
    """Those whose objects are there, as far as anybody has looked; lives in one event loop."""

    def __init__(self) -> None:
        self._by_key: dict[ObjectKey, EndedSession] = {}

    def note(self, session: Session) -> None:
        """Take the session as it is stored; one that has not ended may have an ended one's name.

        What the watch tells late of a session that has ended since takes nothing back.
        """
        ended = ended_session(session)
        if ended is not None:
            self._by_key[session.key] = ended
            return
        known = self._by_key.get(session.key)
        if known is not None and known.uid != session.metadata.uid:
            del self._by_key[session.key]

    def forget(self, key: ObjectKey) -> None:
        """Drop the session, whose object has gone."""
        self._by_key.pop(key, None)

    def take_list(self, listed: Iterable[Session], of_list: Callable[[EndedSession], bool]) -> None:
        """Take what was *listed*: all that there is of those of which *of_list* tells so."""
        for key in [key for key, each in self._by_key.items() if of_list(each)]:
            del self._by_key[key]
        for session in listed:
            self.note(session)

    def all(self) -> Sequence[EndedSession]:
        """Return every one that is known."""
        return tuple(self._by_key.values())


def type_of(session: Session) -> Type:
    """Return what the session does."""
    return session.spec.type if isinstance(session, BackupSession) else "Restore"


def appliance_of(session: Session) -> str | None:
    """Return the appliance that the session is of, None where nobody has said so."""
    return session.status.appliance_id or session.metadata.labels.get(APPLIANCE_LABEL)


def ended_session(session: Session) -> EndedSession | None:
    """Return what is kept of the session, None of one that has not ended."""
    status = session.status
    if status.outcome is None:
        return None
    backup = session if isinstance(session, BackupSession) else None
    return EndedSession(
        key=session.key,
        uid=session.metadata.uid,
        appliance_id=appliance_of(session),
        type=type_of(session),
        outcome=status.outcome,
        reason=_reason(session, status.outcome),
        began=status.start_time,
        ended=status.completion_time,
        policy=None if backup is None else _policy(backup),
        repository=None if backup is None else _repository(backup),
        vm_id=None if backup is None else sys.intern(folded(backup.spec.virtual_machine_id)),
        covers=None if backup is None else backup.covers,
        proves=None if backup is None else _proves(backup),
        moved=moved(session),
    )


def moved(session: Session) -> Bytes:
    """Return what the session has moved so far."""
    progress = session.status.progress
    so_far = Bytes() if progress is None else Bytes(progress.bytes_read, progress.bytes_stored)
    if not isinstance(session, BackupSession):
        return so_far
    if session.status.verified is not None:
        return Bytes(read=session.status.verified.bytes)
    disks = session.status.disks
    if session.status.outcome is None or not disks:
        return so_far
    return Bytes(
        read=sum(disk.read_bytes for disk in disks),
        stored=sum(disk.stored_bytes for disk in disks),
        changed=sum(disk.changed_bytes or 0 for disk in disks),
    )


def _reason(session: Session, outcome: Outcome) -> str:
    said = find_condition(session.status.conditions, "Failed")
    return outcome if said is None or said.status != "True" else said.reason


def _policy(session: BackupSession) -> ObjectKey | None:
    """Return the policy by the label by which its sessions are listed."""
    policy = session.metadata.labels.get(POLICY_LABEL)
    return None if policy is None else ObjectKey(session.metadata.namespace, policy)


def _repository(session: BackupSession) -> ObjectKey | None:
    named = session.spec.stored_in
    return None if named.is_none else named.key_from(session.metadata.namespace)


def _proves(session: BackupSession) -> Proof | None:
    if session.spec.type != "Verify" or session.status.outcome != "Succeeded":
        return None
    asked = session.spec.verify
    return "old" if asked is None or asked.reread_per_mille > 0 else "new"
