"""What kubectl's columns show of a session: amounts and times in words, computed from the rest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import MAX_MESSAGE, cut, is_true
from vmbackup_operator.model.phase import (
    COPY_PHASES,
    PHASES,
    PHASES_OF,
    RESTORE_PHASES,
    REWIND_PHASES,
    REWRITE_PHASES,
    Phases,
    session_phase,
    under_way,
)
from vmbackup_operator.model.progress import BackupDisplay, Display, SessionError
from vmbackup_operator.model.restore_session import RestoreSession
from vmbackup_operator.model.session import AnySession
from vmbackup_operator.model.session_findings import FullRead

#: The schema's bound on what is shown of disks that are read whole.
MAX_FULL_READS = 128

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def amount(size_bytes: int) -> str:
    """Return *size_bytes* as a person would say it: three digits at most, in powers of 1024."""
    value, unit = float(size_bytes), 0
    while value >= 999.5 and unit < len(UNITS) - 1:  # noqa: PLR2004 - what would print as 1000
        value /= 1024
        unit += 1
    digits = 1 if unit and value < 99.95 else 0  # noqa: PLR2004 - what would print as 100.0
    return f"{value:.{digits}f} {UNITS[unit]}"


def counted(count: int, what: str) -> str:
    """Return *count* of *what*, a word whose plural ends in s: ``1 worker``, ``3 workers``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def span(length: timedelta) -> str:
    """Return *length* in its two biggest units, as kubectl writes ages: ``3m12s``, ``2h5m``."""
    seconds = max(0, int(length.total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), 3)
    return "".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count) or "0s"


def _backing_off(attempt: int, due: datetime, error: SessionError) -> tuple[str, str]:
    """Return phase and message of a session that pauses before its next attempt."""
    message = (
        f"attempt {attempt} begins at {due:%Y-%m-%d %H:%M:%SZ}; the one before failed at "
        f"{error.step}: {error.message}"
    )
    return f"BackingOff: {error.reason}", cut(message, MAX_MESSAGE)


def with_display(session: AnySession) -> AnySession:
    """Return *session* with its status' phase and columns as the rest of it has them."""
    match session:
        case RestoreSession():
            return displayed(session, _made_machine(session), phases_of_restore(session))
        case BackupSession():
            phases = PHASES_OF[session.spec.type]
            return displayed(session, _last_word(session.spec.virtual_machine_id), phases)
        case _:
            raise AssertionError(f"nobody shows a {session.kind}")


def phases_of_restore(session: RestoreSession) -> Phases:
    """Return the steps that the restore takes, as people call them."""
    if session.spec.mode == "Rewind":
        rewound = session.status.rewound
        return REWRITE_PHASES if rewound is not None and rewound.rewritten else REWIND_PHASES
    return COPY_PHASES if session.spec.copies_snapshots else RESTORE_PHASES


def _made_machine(session: RestoreSession) -> str:
    """Return the name of the VM that a restore makes or rewinds; empty where there is none."""
    rewound, restored = session.status.rewound, session.status.restored
    if rewound is not None:
        return _last_word(rewound.virtual_machine_id)
    made = None if restored is None else restored.virtual_machine_id
    return _last_word(made or session.spec.target.vm_name or "")


def _last_word(arm_id: str) -> str:
    return arm_id.rsplit("/", 1)[-1]


def whole(full_reads: Iterable[FullRead]) -> str:
    """Return which disks are read whole, by the reasons: ``NoPredecessor: os, 0``."""
    disks: dict[str, list[str]] = {}
    for each in full_reads:
        disks.setdefault(each.reason, []).append(each.disk)
    said = "; ".join(f"{reason}: {', '.join(which)}" for reason, which in disks.items())
    return cut(said, MAX_FULL_READS)


def displayed(session: AnySession, virtual_machine: str, phases: Phases = PHASES) -> AnySession:
    """Return the session about *virtual_machine* with phase and columns as the rest has them.

    The duration is there once the session has ended: one that counts along would make every look
    at the session a write.
    """
    status = session.status
    progress, duration = status.progress, ""
    if status.start_time is not None and status.completion_time is not None:
        duration = span(status.completion_time - status.start_time)
    kind = BackupDisplay if isinstance(session, BackupSession) else Display
    shown = kind(
        virtual_machine=virtual_machine,
        progress="" if progress is None else f"{progress.percent}%",
        read="" if progress is None else amount(progress.bytes_read),
        stored="" if progress is None else amount(progress.bytes_stored),
        duration=duration,
    )
    if isinstance(session, BackupSession) and isinstance(shown, BackupDisplay):
        shown = replace(shown, full_reads=whole(session.status.full_reads))
    phase, message = session_phase(status.conditions, phases), status.message
    if status.outcome is None and not is_true(status.conditions, "FailureTarget"):
        message = under_way(status.conditions, phases)
        if status.retry_time is not None and status.step is None and status.errors:
            phase, message = _backing_off(status.attempt, status.retry_time, status.errors[-1])
    status = replace(status, phase=phase, message=message, display=shown)
    return replace(session, status=status)
