"""Which points are hurt, as far as the log tells: for expire, which lets none of those go alone.

That costs nothing where the log has nothing `bad` of a chain, and else one pack list for each disk
that is asked for. What only a check would find is not known here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.commits.commits import find_commit
from vmbackup_core.repository.control.commits.list_parts import OpenList
from vmbackup_core.repository.control.commits.pack_list import INDEX, PACK, Key
from vmbackup_core.repository.control.log.log_entries import Bad, Place, Recorded
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.identities import PackId


@dataclass
class HurtPoints:
    """Tells which points need what the log has as bad and not as healed, or as dropped."""

    control: Control
    state: LogState
    _bad: dict[ChainId, set[Key]] = field(init=False)
    _known: dict[Place, bool] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        healed = {
            (chain, pack)
            for (chain, _), entry in self.state.healed.items()
            if entry.phase == "done"
            for pack in entry.heals
        }
        found: defaultdict[ChainId, set[Key]] = defaultdict(set)
        for (chain, kind, named), entry in self.state.bad.items():
            if kind == "index" or (chain, named) not in healed:
                found[chain].add(_key(entry))
        self._bad = dict(found)

    def is_hurt(self, entry: Recorded) -> bool:
        """Tell whether blocks of the point are lost; where its list does not open they may be."""
        return any(self._is_lost(place) for place in entry.places)

    def _is_lost(self, place: Place) -> bool:
        if ("manifest", *place) in self.state.dropped:
            return True
        if place[0] not in self._bad:
            return False
        if place not in self._known:
            self._known[place] = self._lists_bad(place)
        return self._known[place]

    def _lists_bad(self, place: Place) -> bool:
        chain, slot = place
        found = find_commit(self.control, chain, slot)
        if found is None or found.commit is None:
            return True
        bad = self._bad[chain]
        try:
            parts = OpenList.of(self.control, found.commit, chain).parts()
            return any(entry.key in bad for part in parts for entry in part)
        except CorruptRepository:
            return True


def _key(entry: Bad) -> Key:
    packed = PackId.parse(bytes.fromhex(entry.id))
    kind = PACK if entry.object == "pack" else INDEX
    return kind, packed.slot, packed.session, packed.number
