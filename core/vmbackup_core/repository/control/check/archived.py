"""Which packs of a chain lie in the Archive tier: their size is listed, and nothing is read there.

That says nothing against them. None is asked for, nor brought back: that costs, and takes hours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.primitives.identities import PackId, WritingSession
from vmbackup_core.repository.primitives.names import prefix_of_folder
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.port import UNREADABLE_NOW, Store


@dataclass(frozen=True, slots=True)
class ArchivedPacks:
    """The packs that a listing has in the tier, by their writing session and number."""

    _numbers: Mapping[tuple[CommitSlot, WritingSession], set[int]] = field(default_factory=dict)

    def __contains__(self, pack: PackId) -> bool:
        return pack.number in self._numbers.get((pack.slot, pack.session), ())


def archived_packs(data: Store, chain: ChainId) -> ArchivedPacks:
    """Return which packs of *chain* lie in the tier; none where they cannot be listed now.

    Who compares the listing with what is needed says that it cannot.
    """
    numbers: defaultdict[tuple[CommitSlot, WritingSession], set[int]] = defaultdict(set)
    try:
        for each in data.list(prefix_of_folder(chain, "p")):
            named = parse_data(each.name) if each.archived else None
            if isinstance(named, PackName):
                numbers[named.pack.slot, named.pack.session].add(named.pack.number)
    except UNREADABLE_NOW:
        return ArchivedPacks()
    return ArchivedPacks(dict(numbers))
