"""Which manifest of each slot was committed, told from the data place alone; section 33."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.chains.manifest_versions import oldest_that_opens
from vmbackup_core.repository.control.check.lists import joined, listed_objects
from vmbackup_core.repository.control.check.observations import Observations
from vmbackup_core.repository.control.commits.counting import Counted, recount, recount_what_opens
from vmbackup_core.repository.control.commits.pack_list import Key, ListEntry
from vmbackup_core.repository.data.index_reader import IndexReader, manifest_in
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_prune
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.masters import KeyRing
from vmbackup_core.repository.primitives.names import prefix_of_folder
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.stores.port import UNREADABLE_NOW, NotStored, Store

#: Slots without a manifest below one that is believed: a backup each five minutes for ten years, of
#: which one is left. Workers create names: without a bound one of them makes a rebuild endless.
EMPTY_MOST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """A manifest that is taken for its slot's: its whole name and its bytes' digest."""

    name: str
    sha256: str
    size_bytes: int
    manifest: Manifest

    @property
    def slot(self) -> CommitSlot:
        """The slot that it was written for."""
        return self.manifest.said.slot


@dataclass
class TakenOfChain:
    """The manifests that are taken of one chain, by slot; *lost* says what could not be."""

    chain: ChainId
    by_slot: dict[CommitSlot, Taken] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @property
    def newest(self) -> Taken | None:
        """The one of the highest slot."""
        return self.by_slot[max(self.by_slot)] if self.by_slot else None


def take_manifests(
    data: Store, ring: KeyRing, chain: ChainId, empty_most: int = EMPTY_MOST
) -> TakenOfChain:
    """Return one manifest for each slot of *chain* whose manifest is clear.

    Of several of one slot it is the one that is whole; of several such, the one of which a later
    taken manifest names objects. Above more than *empty_most* slots without one none is believed.
    """
    keys = for_prune(ring, chain, max(ring.masters))
    found, named = TakenOfChain(chain), set[tuple[CommitSlot, WritingSession]]()
    candidates = _candidates(data, keys, found)
    for slot in reversed(_believed(candidates, empty_most, found)):
        chosen = _chosen(data, keys, candidates[slot], named)
        if chosen is None:
            runs = ", ".join(sorted(each.manifest.said.run_id for each in candidates[slot]))
            found.lost.append(f"slot {slot} of chain {chain}: of runs {runs}, unclear which")
            continue
        found.by_slot[slot] = chosen
        named |= _sessions(data, keys, chosen.manifest)
    if not candidates and not found.lost:
        found.lost.append(f"chain {chain}: no manifest is left of it")
    return found


def needed_by(data: Store, ring: KeyRing, taken: Taken) -> Iterator[ListEntry]:
    """Yield what the manifest needs, in order: as far as its tables open."""
    chain = taken.manifest.said.chain_id
    keys = for_prune(ring, chain, max(ring.masters))
    index = IndexReader(data, keys, taken.manifest)
    return recount_what_opens(Counted(taken.manifest, index)).entries()


def _candidates(data: Store, keys: ChainKeys, found: TakenOfChain) -> dict[CommitSlot, list[Taken]]:
    candidates: defaultdict[CommitSlot, list[Taken]] = defaultdict(list)
    for each in data.list(prefix_of_folder(keys.chain, "m")):
        named = parse_data(each.name)
        if not isinstance(named, ManifestName):
            continue
        try:
            taken = _opened(data, keys, each.name)
        except (CorruptRepository, NotUnderstood, NotStored, *UNREADABLE_NOW) as error:
            found.lost.append(f"slot {named.slot} of chain {keys.chain}: {error}")
            continue
        if (taken.slot, taken.manifest.said.session) == (named.slot, named.session):
            candidates[named.slot].append(taken)
    return candidates


def _believed(
    candidates: Mapping[CommitSlot, list[Taken]], empty_most: int, found: TakenOfChain
) -> list[CommitSlot]:
    """Return the slots, in order, that lie above few enough empty ones; the others are said.

    Those have no say in anything: whoever planted one would else choose among honest manifests.
    """
    slots = sorted(candidates)
    believed = [slot for below, slot in enumerate(slots) if slot - 1 - below <= empty_most]
    for slot in slots[len(believed) :]:
        found.lost.append(
            f"slot {slot} of chain {found.chain}: more than {empty_most} slots below it have no"
            " manifest, so it is not believed"
        )
    return believed


def _opened(data: Store, keys: ChainKeys, name: str) -> Taken:
    def opens(stored: bytes) -> Taken:
        manifest = manifest_in(keys, name, stored)
        return Taken(name, hashlib.sha256(stored).hexdigest(), len(stored), manifest)

    return oldest_that_opens(data, name, opens)


def _chosen(
    data: Store,
    keys: ChainKeys,
    candidates: list[Taken],
    named: set[tuple[CommitSlot, WritingSession]],
) -> Taken | None:
    if len(candidates) == 1:
        return candidates[0]
    whole = [each for each in candidates if _is_whole(data, keys, each.manifest)]
    if len(whole) > 1:
        whole = [
            each
            for each in whole
            if any((each.slot, session) in named for session in each.manifest.said.sessions)
        ]
    return whole[0] if len(whole) == 1 else None


def _is_whole(data: Store, keys: ChainKeys, manifest: Manifest) -> bool:
    """Tell whether all tables open, and all that they name is listed with its size."""
    try:
        needed = recount(Counted(manifest, IndexReader(data, keys, manifest)))
    except (CorruptRepository, NotUnderstood):
        return False
    listed = listed_objects(data, keys.chain, Observations(_silent))
    return all(
        not sizes or sizes == {size}
        for _, size, sizes in joined(listed, _as_needed(needed.entries()))
    )


def _as_needed(entries: Iterable[ListEntry]) -> Iterator[tuple[Key, set[int]]]:
    return ((entry.key, {entry.size_bytes}) for entry in entries)


def _silent() -> None:
    return


def _sessions(
    data: Store, keys: ChainKeys, manifest: Manifest
) -> set[tuple[CommitSlot, WritingSession]]:
    """Return the writing sessions whose objects a manifest names."""
    index = IndexReader(data, keys, manifest)
    found = {(at.index.slot, at.index.session) for at in manifest.objects}
    for entry in recount_what_opens(Counted(manifest, index)).entries():
        found.add((entry.session.slot, entry.session.session))
    return found
