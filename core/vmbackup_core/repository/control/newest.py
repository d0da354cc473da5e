"""A chain's newest commit with its manifest, and whether a skip comes first; sections 18 and 29."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.commits import FoundCommit
from vmbackup_core.repository.data.grants import ManifestAt
from vmbackup_core.repository.data.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Newest:
    """What a backup of the chain is written on.

    *slot* is the highest that commits or the log name, 0 where none does: the next one is above it
    (S10). *found* is what lies in it. *at* is its manifest and *manifest* that, opened; both are
    None where the chain holds nothing.
    """

    slot: CommitSlot
    found: FoundCommit | None
    at: ManifestAt | None
    manifest: Manifest | None


@dataclass(frozen=True, slots=True)
class SkipDue:
    """The newest commit or its manifest cannot be written on: a skip takes the next slot first."""

    why: str
