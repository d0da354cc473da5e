"""How far the log was known to go: what a cluster keeps outside of the repository (S22)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from typing_extensions import override

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.names import LAST_LOG_NUMBER

_WRITTEN: Final = re.compile(r"([1-9][0-9]{0,11}):([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Head:
    """A log object: its number and the SHA-256 of its bytes, in hexadecimal."""

    number: int
    sha256: str


def read_head(text: str) -> Head:
    """Return the head that a person wrote down; ValueError for what no log has an object of."""
    found = _WRITTEN.fullmatch(text)
    if found is None or int(found[1]) > LAST_LOG_NUMBER:
        raise ValueError(f"{text[:100]!r} is no NUMBER:DIGEST of a log object")
    return Head(int(found[1]), found[2])


class Heads(Protocol):
    """Where the newest log object that was read or appended is remembered."""

    def known(self, repository: RepositoryId) -> Head | None:
        """Return what was remembered last, or None."""

    def remember(self, repository: RepositoryId, head: Head) -> None:
        """Keep *head* instead of what was remembered before."""


class HeadsOfProcess(Heads):
    """What a command line knows that no cluster tells: heads that were written down, if any.

    It ends with the process.
    """

    def __init__(self, written_down: Mapping[RepositoryId, Head] | None = None) -> None:
        self._known = dict(written_down or {})

    @override
    def known(self, repository: RepositoryId) -> Head | None:
        return self._known.get(repository)

    @override
    def remember(self, repository: RepositoryId, head: Head) -> None:
        self._known[repository] = head


class NoHeads(Heads):
    """Knows nothing and keeps nothing: for whoever only reads."""

    @override
    def known(self, repository: RepositoryId) -> Head | None:
        return None

    @override
    def remember(self, repository: RepositoryId, head: Head) -> None:
        return


class HistoryDiffers(PermanentError):
    """The history that a person accepts is not the one that the log has."""

    def __init__(self, told: Head, found: Head | None) -> None:
        has = "is empty" if found is None else f"ends with {found.number}:{found.sha256}"
        super().__init__(
            f"the repository's log has no object {told.number}:{told.sha256}: it {has}",
            reason="HistoryDiffers",
        )


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
