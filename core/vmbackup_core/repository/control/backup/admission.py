"""What is refused of a worker's attempt before it is committed: section 29, steps 3 to 5; pure.

Nothing that a worker says is believed. What it may have stored is bounded by the disk, so that a
hostile one costs no more than an honest one of the same disk might.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.attempt_listing import AttemptListing
from vmbackup_core.repository.control.backup.disk_asked import DiskAsked
from vmbackup_core.repository.control.backup.own_commits import base_slot
from vmbackup_core.repository.control.chains.chain_header import DiskChain
from vmbackup_core.repository.control.commits.counting import Section, sections_of
from vmbackup_core.repository.control.commits.pack_list import INDEX, PACK, Key, ListEntry
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.data.tables import PackRow, SessionRow
from vmbackup_core.repository.primitives.bounds import OF_SEALED, Bound, manifest_at_commit
from vmbackup_core.repository.primitives.envelope import HEAD_BYTES, TAG_BYTES
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data

#: How much of what a worker wrote is repeated in a message.
_TOLD: Final = 80

#: Beside four times as many as the whole disk needs: packs that were not full, and index objects.
LISTED_BESIDE: Final = 65_536

_SESSION_BYTES: Final = 40
_SECTION_BYTES: Final = 9
_ROW_BYTES: Final = 20
_TABLE_HEAD_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Expected:
    """What an attempt must be: of this disk, in this chain and slot, of an epoch that goes on."""

    asked: DiskAsked
    chain: DiskChain
    slot: CommitSlot
    epochs: frozenset[int]
    ended: frozenset[int]

    @property
    def shards(self) -> int:
        """How many shards the disk has."""
        return -(-self.asked.disk_bytes // self.chain.parameters.shard_bytes)

    @property
    def most_rows(self) -> int:
        """Each block of a shard in a pack of its own, and a delta's base in another."""
        return 2 * (self.chain.parameters.shard_bytes // self.chain.parameters.block_bytes)

    @property
    def most_listed(self) -> int:
        """How many objects the sessions of an attempt may have stored."""
        packs = -(-self.asked.disk_bytes // self.chain.parameters.pack_bytes)
        return 4 * packs + LISTED_BESIDE


def manifest_named(chain: DiskChain, name: str) -> ManifestName | None:
    """Return what a worker's *name* says; None where it is no manifest of *chain*."""
    named = parse_data(name)
    return named if isinstance(named, ManifestName) and named.chain == chain.chain else None


def manifest_bound(expected: Expected) -> Bound:
    """Return the most that the manifest may have (S25)."""
    return manifest_at_commit(expected.shards)


def manifest_refusals(
    expected: Expected, named: ManifestName, epoch: int, manifest: Manifest
) -> Iterator[str]:
    """Yield how the manifest differs from what was asked; *epoch* is the one it is sealed in."""
    asked, chain, said = expected.asked, expected.chain, manifest.said
    if epoch in expected.ended or epoch not in expected.epochs:
        yield f"it is sealed in epoch {epoch}, which has ended"
    wanted: tuple[tuple[str, object, object], ...] = (
        ("slot of its name", named.slot, expected.slot),
        ("chain", said.chain_id, chain.chain),
        ("generation", said.generation, chain.generation),
        ("epoch of the chain", said.chain_epoch, chain.epoch),
        ("block size", said.block_bytes, chain.parameters.block_bytes),
        ("shard size", said.shard_bytes, chain.parameters.shard_bytes),
        ("pack size", said.pack_bytes, chain.parameters.pack_bytes),
        ("slot", said.slot, expected.slot),
        ("session", said.session, named.session),
        ("run", said.run_id, asked.run),
        ("snapshot", said.snapshot_unique_id, asked.snapshot_unique_id),
        ("snapshot's time", said.taken_at, asked.taken_at),
        ("size of the disk", said.disk_bytes, asked.disk_bytes),
        ("disk", said.disk, asked.disk),
        ("VM", said.vm, asked.vm),
        ("kind", said.kind, "full" if said.base_slot is None else "incremental"),
    )
    for what, found, right in wanted:
        if found != right:
            yield f"{what}: {_told(found)}, not {_told(right)}"
    base = base_slot(asked, chain.chain)
    if said.base_slot not in {None, base}:
        yield f"slot of the base: {said.base_slot}, not {base}"


def object_refusals(
    expected: Expected, manifest: Manifest, newest: Manifest | None, listed: AttemptListing
) -> Iterator[str]:
    """Yield the index objects that are neither listed nor as the newest manifest has them."""
    known = {} if newest is None else {each.index: each for each in newest.objects}
    used = {section.ref.object for section in sections_of(manifest)}
    for row, each in enumerate(manifest.objects):
        index = each.index
        told = f"index object {index.number} of session {index.session} in slot {index.slot}"
        if index.slot != expected.slot:
            if known.get(index) != each:
                yield f"{told} is not as the newest manifest has it"
        elif listed.size_of(INDEX, index.session, index.number) != each.size_bytes:
            yield f"{told} is not listed with {each.size_bytes} bytes, to be read"
        elif row not in used:
            yield f"{told} has no section that is named"


def section_refusals(
    expected: Expected, manifest: Manifest, newest: Manifest | None
) -> Iterator[str]:
    """Yield the sections that are named twice, or kept and not as the newest manifest has them."""
    known = {} if newest is None else {each.place: _identity(each) for each in sections_of(newest)}
    seen = set()
    for section in sections_of(manifest):
        told = f"the {section.kind} of shard {section.shard}"
        if section.place in seen:
            yield f"{told} is named for another shard as well"
        seen.add(section.place)
        if is_new(expected.slot, section):
            continue
        if known.get(section.place) != _identity(section):
            yield f"{told} is not as the newest manifest has it"


def is_new(slot: CommitSlot, section: Section) -> bool:
    """Tell whether a section was written for *slot*: no other may be new."""
    return section.object.index.slot == slot


def table_bound(expected: Expected, sections: int, listed: int) -> Bound:
    """Return the most that the table of a new index object may have (S25).

    *sections* are those that the manifest names in it; *listed* is how many objects the newest
    commit's list has, since each of its sessions stored one at least.
    """
    payload = (
        _TABLE_HEAD_BYTES
        + _SECTION_BYTES * sections
        + _ROW_BYTES * sections * expected.most_rows
        + _SESSION_BYTES * most_sessions(listed)
    )
    most = OF_SEALED["TABL"]
    return Bound(min(most.stored, HEAD_BYTES + payload + TAG_BYTES), min(most.payload, payload))


def most_sessions(listed: int) -> int:
    """Return how many sessions a table may have: a manifest's, and those of packs listed before."""
    return 1000 + listed


def table_refusal(
    expected: Expected, counts: tuple[int, int, int], sections: int, listed: int
) -> str | None:
    """Return why a table with these counts is not walked: of sections, sessions and rows."""
    has, sessions, rows = counts
    if has != sections:
        return f"it has {has} sections, of which the manifest names {sections}"
    if rows > sections * expected.most_rows:
        return f"it has {rows} rows for {sections} sections"
    if sessions > most_sessions(listed):
        return f"it has {sessions} sessions"
    return None


def session_refusal(expected: Expected, session: SessionRow) -> str | None:
    """Return why a session of this slot cannot have stored the packs of the attempt."""
    if session.run != expected.asked.run:
        return f"session {session.session} is of run {session.run}"
    if session.epoch in expected.ended or session.epoch not in expected.epochs:
        return f"session {session.session} is of epoch {session.epoch}, which has ended"
    return None


def row_refusal(expected: Expected, listed: AttemptListing, row: PackRow) -> str | None:
    """Return why a new section may not name a pack (S3).

    Packs of earlier slots are looked up in the newest commit's list: `unknown_in`.
    """
    holder = row.holder
    told = f"pack {holder.number} of session {holder.session} in slot {holder.slot}"
    if holder.slot < expected.slot:
        is_moved_here = row.origin_session.slot >= expected.slot
        return f"{told} has an origin of slot {row.origin_session.slot}" if is_moved_here else None
    if holder.slot > expected.slot:
        return f"{told} is of a slot that is not taken"
    if row.origin != holder or row.origin_session != row.holder_session:
        return f"{told} has another origin"
    if listed.size_of(PACK, holder.session, holder.number) != row.size_bytes:
        return f"{told} is not listed with {row.size_bytes} bytes, to be read"
    return session_refusal(expected, row.holder_session)


def unknown_in(
    known: Iterable[ListEntry], wanted: Iterable[ListEntry], slot: CommitSlot
) -> Iterator[str]:
    """Yield which packs of slots below *slot* a list does not have with their size and run (S3).

    Both are in order, and both are streams.
    """
    earlier = (each for each in wanted if each.kind == PACK and each.session.slot < slot)
    rest = iter(known)
    entry = next(rest, None)
    for each in earlier:
        while entry is not None and entry.key < each.key:
            entry = next(rest, None)
        if entry is None or _known(entry) != _known(each):
            yield (
                f"pack {each.number} of session {each.session.session} in slot "
                f"{each.session.slot} is not in the newest commit's list with "
                f"{each.size_bytes} bytes of run {each.session.run}"
            )


def _known(entry: ListEntry) -> tuple[Key, SessionRow, int]:
    return entry.key, entry.session, entry.size_bytes


def _identity(section: Section) -> tuple[int, str, int, bytes]:
    return section.shard, section.kind, section.ref.length, section.ref.sha256


def _told(value: object) -> str:
    text = str(value)
    return text if len(text) <= _TOLD else f"{text[:_TOLD]}…"
