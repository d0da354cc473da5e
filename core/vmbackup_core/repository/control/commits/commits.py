"""Commits: the objects that take a slot of a disk's chain; see section 12 of the format's page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot, RunId, SnapshotUniqueId
from vmbackup_core.repository.control.log.log_entries import Chain, Slot
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control, StoredBytes
from vmbackup_core.repository.primitives.failures import NewerFormat
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.json_payloads import ID, Digest, Number, Text, Time
from vmbackup_core.repository.primitives.names import commit_name, prefix_of_commits
from vmbackup_core.repository.primitives.parsed_names import (
    CommitName,
    ListPartName,
    ManifestName,
    name_in_chain,
    parse_control,
    parse_data,
)
from vmbackup_core.stores.port import NotStored

CommitKind = Literal["backup", "skip", "compact"]
_KINDS: tuple[CommitKind, ...] = ("backup", "skip", "compact")


class ListPartRef(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a pack list: its name after ``c/CHAIN/``, its digest, how many entries it has."""

    name: Text
    sha256: Digest
    entries: Annotated[int, msgspec.Meta(ge=1, le=65_536)]


class Commit(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One commit; *manifest* is None in a skip that leaves the chain with nothing."""

    chain_id: Chain
    slot: Slot
    kind: CommitKind
    reason: Literal["damaged", "retired"] | None
    run_id: Annotated[RunId, ID] | None
    session: Annotated[WritingSession, ID] | None
    manifest: Text | None
    manifest_sha256: Digest | None
    of_slot: Slot | None
    snapshot_unique_id: Annotated[SnapshotUniqueId, msgspec.Meta(max_length=1024)] | None
    disk_bytes: Number | None
    stored_bytes: Number
    previous: Digest | None
    pack_list: Annotated[tuple[ListPartRef, ...], msgspec.Meta(max_length=4096)]
    locked_until: Time | None
    by: Text
    at: Time

    def __post_init__(self) -> None:
        together = {self.manifest is None, self.manifest_sha256 is None, self.of_slot is None}
        if len(together) > 1 or (self.manifest is None and self.kind != "skip"):
            raise ValueError("a commit whose manifest is named in part, or not at all")
        if self.kind == "skip":
            self._check_skip()
        elif None in (self.run_id, self.session) or self.of_slot != self.slot:
            raise ValueError(f"a {self.kind} without run or session, or of another slot")

    def _check_skip(self) -> None:
        if self.reason is None or (self.run_id, self.session) != (None, None):
            raise ValueError("a skip without reason, or with a run")
        if self.of_slot is not None and self.of_slot >= self.slot:
            raise ValueError(f"a skip in slot {self.slot} to the manifest of slot {self.of_slot}")

    @property
    def manifest_name(self) -> str | None:
        """The whole name of its manifest in data."""
        return None if self.manifest is None else name_in_chain(self.chain_id, self.manifest)


class _Kind(msgspec.Struct, frozen=True):
    kind: Text


@dataclass(frozen=True, slots=True)
class FoundCommit:
    """What lies in a slot: its digest, and the commit, or None where that is damaged."""

    slot: CommitSlot
    sha256: str
    commit: Commit | None
    damage: str | None = None

    @property
    def manifest(self) -> str | None:
        """The whole name of the manifest that it names."""
        return None if self.commit is None else self.commit.manifest_name


def seal_commit(control: Control, commit: Commit, epoch: int) -> StoredBytes:
    """Return the object that holds *commit*; it is not put."""
    return control.seal("COMM", commit_name(commit.chain_id, commit.slot), commit, epoch)


def slots_taken(control: Control, chain: ChainId) -> Iterator[CommitSlot]:
    """Yield the slots that have a commit, damaged or not, from the newest down."""
    for name in control.names(prefix_of_commits(chain)):
        parsed = parse_control(name)
        if isinstance(parsed, CommitName):
            yield parsed.slot


def find_commit(control: Control, chain: ChainId, slot: CommitSlot) -> FoundCommit | None:
    """Return what lies in *slot*; None where nothing does."""
    try:
        found = control.get("COMM", commit_name(chain, slot))
    except NotStored:
        return None
    try:
        return FoundCommit(slot, found.sha256, _opened(control, chain, slot, found))
    except CorruptRepository as error:
        return FoundCommit(slot, found.sha256, None, str(error))


def commits(control: Control, chain: ChainId, down_to: int = 1) -> Iterator[FoundCommit]:
    """Yield what lies in the slots of *chain*, from the newest down to *down_to*."""
    for slot in slots_taken(control, chain):
        if slot < down_to:
            return
        found = find_commit(control, chain, slot)
        if found is not None:
            yield found


def newest_slot(control: Control, chain: ChainId) -> CommitSlot | None:
    """Return the highest slot that has anything; None where none has."""
    named = control.first(prefix_of_commits(chain), CommitName)
    return None if named is None else named.slot


def newest(control: Control, chain: ChainId) -> FoundCommit | None:
    """Return what lies in the highest slot that has anything."""
    slot = newest_slot(control, chain)
    return None if slot is None else find_commit(control, chain, slot)


def is_as_logged(state: LogState, chain: ChainId, found: FoundCommit) -> bool:
    """Tell whether the log has no other commit for this slot (S11)."""
    known = state.commit_digest((chain, found.slot))
    return known is None or known == found.sha256


def _opened(control: Control, chain: ChainId, slot: CommitSlot, found: StoredBytes) -> Commit:
    kind = control.open("COMM", found, _Kind).kind
    if kind not in _KINDS:
        raise NewerFormat(found.name, f"a commit of kind {kind[:40]!r}")
    commit = control.open("COMM", found, Commit)
    if (commit.chain_id, commit.slot) != (chain, slot):
        raise CorruptRepository(
            f"{found.name}: is of slot {commit.slot} of chain {commit.chain_id}"
        )
    _check_names(commit)
    return commit


def _check_names(commit: Commit) -> None:
    if (name := commit.manifest_name) is not None:
        parsed = parse_data(name)
        if not isinstance(parsed, ManifestName) or parsed.slot != commit.of_slot:
            raise CorruptRepository(f"{name} is no manifest of slot {commit.of_slot}")
    for part in commit.pack_list:
        parsed_part = parse_control(name_in_chain(commit.chain_id, part.name))
        if not isinstance(parsed_part, ListPartName) or parsed_part.slot > commit.slot:
            raise CorruptRepository(f"{part.name} is no part of the list of slot {commit.slot}")
