"""What a running session has moved, in bytes and in words for people."""

from __future__ import annotations

import msgspec


class Progress(msgspec.Struct, frozen=True, rename="camel"):
    """How far the transfer is, over all disks."""

    percent: int
    bytes_to_read: int
    bytes_read: int
    bytes_stored: int


class Display(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The same for kubectl's columns, which print a field as it is; nothing reads it back."""

    virtual_machine: str = ""
    progress: str = ""
    read: str = ""
    stored: str = ""
    duration: str = ""


class BackupDisplay(Display, frozen=True, rename="camel", omit_defaults=True):
    """The same of a backup: which disks are read whole besides, and why."""

    full_reads: str = ""


class SessionError(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One failure on the way, kept for whoever reads the status."""

    step: str
    reason: str
    message: str
    attempt: int = 0


#: Enough to see a pattern; status never grows with the number of failures.
MAX_ERRORS = 5
