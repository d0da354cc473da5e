"""The failures that operator, worker and command line tell apart.

    VmbackupError
    ├── TransientError        try again, after retry_after_s where the other side named a time
    ├── PermanentError        trying again changes nothing; reason is one CamelCase word
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


class PermanentError(VmbackupError):
    """A failure that stays until somebody changes something; *reason* is a condition's reason."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class CorruptRepository(VmbackupError):
    """Bytes in a repository that are not what was written there; the message names the object."""
