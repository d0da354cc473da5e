"""The failures that operator, worker and command line tell apart.

    VmbackupError
    ├── TransientError        try again, after retry_after_s where the other side named a time
    │   └── RefusedForNow     a refusal that often ends by itself: retried for a bounded time
    ├── PermanentError        trying again changes nothing; reason is one CamelCase word
    │   └── LostAttempt       what was begun came to nothing: begun anew it may succeed
    └── CorruptRepository     stored bytes are not what was written: never retried, never swallowed

Foreign exceptions (SDKs, sockets, libraries) end at the adapter that met them and come out as one
of these, with the foreign one as cause. Messages name the thing and what was found; they hold no
SAS, key or token.
"""

from __future__ import annotations


class VmbackupError(Exception):
    """Any failure that this project reports."""


class TransientError(VmbackupError):
    """A failure that may pass: the network, a throttle, a service's bad hour."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RefusedForNow(TransientError):
    """A refusal that often ends by itself, such as a right that has been given and not spread yet.

    *reason* is what a PermanentError will say once the refusal has lasted for too long. The message
    says since when it lasts and until when it is retried.
    """

    def __init__(self, message: str, *, reason: str, retry_after_s: float) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.reason = reason


class PermanentError(VmbackupError):
    """A failure that stays until somebody changes something; *reason* is a condition's reason."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class LostAttempt(PermanentError):
    """What was begun came to nothing: the same again ends the same, another attempt may not."""


class CorruptRepository(VmbackupError):
    """Bytes in a repository that are not what was written there; the message names the object."""
