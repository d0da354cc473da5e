"""What people are shown of a policy's blackout windows, in its status and its conditions; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from vmbackup_operator.model.backup_policy import (
    BackupPolicy,
    BackupPolicyStatus,
    BlackoutShown,
    Occasion,
)
from vmbackup_operator.policies.schedule import Due, closed_times
from vmbackup_operator.policies.standing import Finding


@dataclass(frozen=True, slots=True)
class Window:
    """The blackout window that a moment lies in, *until* its end; or the one that *begins* next."""

    until: datetime | None = None
    begins: datetime | None = None

    def holds_back(self, occasion: Occasion) -> bool:
        """Tell whether no session of *occasion* begins: a trigger is somebody's word for now."""
        return self.until is not None and occasion.trigger is None


NO_WINDOW = Window()


def window_at(policy: BackupPolicy, now: datetime) -> Window:
    """Return the window that counts at *now*; raise PermanentError where none ever ends."""
    schedule = policy.spec.schedule
    closed = None if schedule is None or policy.spec.suspend else closed_times(schedule)
    if closed is None:
        return NO_WINDOW
    until = closed.opening(now)
    return Window(until=until) if until > now else Window(begins=closed.closing(now))


def ended_in(window: Window, occasion: Occasion | None, why: str | None) -> str | None:
    """Return *why* the occasion ends, with the window that has held it back, if any."""
    if why is None or occasion is None or not window.holds_back(occasion):
        return why
    return f"{why}, and a blackout window lasts until {window.until:%Y-%m-%d %H:%M}Z"


def with_blackout(status: BackupPolicyStatus, window: Window, due: Due) -> BackupPolicyStatus:
    """Return *status* with the window that it is in, if any."""
    shown = None if window.until is None else BlackoutShown(window.until, due.put_off)
    return replace(status, blackout=shown)


def is_put_off_anew(before: BlackoutShown | None, after: BlackoutShown | None) -> bool:
    """Tell whether the window has a slot wait for its end, and none did before."""
    if after is None or after.put_off_slot is None:
        return False
    return before is None or before.put_off_slot is None or before.until != after.until


def window_findings(shown: BlackoutShown | None, due: Due) -> Iterator[Finding]:
    """Yield what a condition says of the windows."""
    if due.is_shut:
        message = (
            "every slot lies in a blackout window, too long before its end, so none ever begins: "
            "correct schedule.cron, or the windows, or raise maxPostponementSeconds"
        )
        yield Finding("EverySlotBlackedOut", message, blocking=False)
    if shown is not None:
        message = f"a blackout window lasts until {shown.until:%Y-%m-%d %H:%M}Z"
        if shown.put_off_slot is not None:
            message += f"; slot {shown.put_off_slot:%Y-%m-%d %H:%M}Z begins then"
        yield Finding("BlackoutWindow", message, blocking=False, notice=True)
