"""How far the log was known to go: what a cluster keeps outside of the repository (S22)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RepositoryId


@dataclass(frozen=True, slots=True)
class Head:
    """A log object: its number and the SHA-256 of its bytes, in hexadecimal."""

    number: int
    sha256: str


class Heads(Protocol):
    """Where the newest log object that was read or appended is remembered."""

    def known(self, repository: RepositoryId) -> Head | None:
        """Return what was remembered last, or None."""

    def remember(self, repository: RepositoryId, head: Head) -> None:
        """Keep *head* instead of what was remembered before."""


class HistoryRolledBack(PermanentError):
    """The log does not have what it had: nothing may be deleted until a person has looked."""

    def __init__(self, known: Head) -> None:
        super().__init__(
            f"the repository's log does not have the object {known.number}:{known.sha256} that it "
            "had: the repository was put back to an earlier time. Nothing is expired, pruned or "
            "deleted until somebody accepts its history",
            reason="HistoryRolledBack",
        )
        self.known = known
