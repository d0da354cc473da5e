"""What a plan has to know of a recovery point's disk, whoever holds the point."""

from __future__ import annotations

from typing import Protocol


class DiskHeld(Protocol):
    """One disk of a point; *lun* is None for the OS disk."""

    @property
    def id(self) -> str:
        """The ARM id of the disk that was backed up."""

    @property
    def name(self) -> str:
        """What it was called."""

    @property
    def lun(self) -> int | None:
        """Where it sat in its VM."""

    @property
    def size_bytes(self) -> int:
        """How large it was."""
