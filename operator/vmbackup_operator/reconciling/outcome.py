"""What a reconciler, and each of its steps, answers."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.errors import TransientError


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do; *message* says what holds."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Healthy, but not there yet: look again in *seconds*, sooner where somebody wakes the key."""

    seconds: float
    message: str
    reason: str = "InProgress"


@dataclass(frozen=True, slots=True)
class Failed:
    """Trying again changes nothing; *reason* is one CamelCase word, *message* names the thing."""

    reason: str
    message: str


Outcome = Done | Waiting | Failed


class Conflict(TransientError):
    """Somebody wrote the object since it was read: read it again and decide afresh."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} has changed since it was read", retry_after_s=0)


def reason_of(error: TransientError) -> str:
    """Return the word by which a trouble that passes is shown: Azure's own where it has one."""
    said = getattr(error, "reason", None)
    if isinstance(said, str) and said:
        return said
    return "AzureUnavailable" if error.retry_after_s is None else "AzureThrottled"
