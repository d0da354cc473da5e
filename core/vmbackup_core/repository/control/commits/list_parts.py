"""Parts of pack lists in the control place: opened as they stream, put where they differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.control.commits.commits import Commit, ListPartRef
from vmbackup_core.repository.control.commits.pack_list import (
    ListEntry,
    check_order,
    cut,
    decode_part,
    encode_part,
    merge,
)
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.identities import draw
from vmbackup_core.repository.primitives.names import list_part_name, prefix_of_chain
from vmbackup_core.repository.primitives.parsed_names import name_in_chain
from vmbackup_core.stores.port import NotStored


@dataclass
class OpenList:
    """A commit's pack list, opened part by part; remembers which part has which content."""

    control: Control
    chain: ChainId
    refs: tuple[ListPartRef, ...]
    by_content: dict[bytes, ListPartRef] = field(default_factory=dict, init=False)

    @staticmethod
    def of(control: Control, commit: Commit | None, chain: ChainId) -> OpenList:
        """Return the list of *commit*; an empty one where there is none."""
        return OpenList(control, chain, () if commit is None else commit.pack_list)

    def parts(self) -> Iterator[list[ListEntry]]:
        """Yield the parts in order; CorruptRepository where one is missing, other or misplaced."""
        last: ListEntry | None = None
        for ref in self.refs:
            entries = self._opened(ref)
            check_order(ref.name, entries, after=last)
            last = entries[-1]
            yield entries

    def _opened(self, ref: ListPartRef) -> list[ListEntry]:
        name = name_in_chain(self.chain, ref.name)
        try:
            found = self.control.get("PLST", name, ref.sha256)
        except NotStored as error:
            raise CorruptRepository(f"{name}: is missing") from error
        if found.sha256 != ref.sha256:
            raise CorruptRepository(f"{name}: its digest is {found.sha256}, not {ref.sha256}")
        payload = self.control.payload("PLST", found)
        entries = decode_part(name, payload)
        if len(entries) != ref.entries:
            raise CorruptRepository(f"{name}: {len(entries)} entries, not {ref.entries}")
        self.by_content[hashlib.sha256(payload).digest()] = ref
        return entries


def put_list(
    before: OpenList, changes: Iterable[ListEntry], slot: CommitSlot, epoch: int
) -> tuple[ListPartRef, ...]:
    """Put the list that *before* gives with *changes* for the commit in *slot*, and return it.

    Parts that come out as they were are named again. CorruptRepository says that the list before
    is damaged: it is then counted anew, from an empty one.
    """
    drawn = draw()
    refs = []
    for number, entries in enumerate(cut(merge(before.parts(), changes))):
        payload = encode_part(entries)
        known = before.by_content.get(hashlib.sha256(payload).digest())
        if known is None:
            name = list_part_name(before.chain, slot, drawn, number)
            made = before.control.seal_bytes("PLST", name, payload, epoch)
            before.control.put(made)
            inner = name.removeprefix(prefix_of_chain(before.chain))
            known = ListPartRef(inner, made.sha256, len(entries))
        refs.append(known)
    return tuple(refs)
