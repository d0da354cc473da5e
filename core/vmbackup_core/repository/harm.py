"""Which recovery points refer to what a check found damaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.chain import CHAIN_HEADER, Chain
from vmbackup_core.repository.holes import DAMAGE
from vmbackup_core.repository.names import POINTS, chain_prefix, commit_name, is_id
from vmbackup_core.repository.records import ShardReference

#: Which runs' recovery points name a commit slot of a chain.
Uses = Mapping[tuple[ChainId, CommitSlot], AbstractSet[RunId]]


def points_hurt(
    damaged: Iterable[str], uses: Uses, chains: Mapping[ChainId, Chain | None]
) -> dict[str, list[RunId]]:
    """Return, for each *damaged* object, the runs whose recovery points refer to it.

    Only chains with damage are read again. What can't be read hides what it names: that is damaged
    itself, and hurts the same points.
    """
    hurt: defaultdict[str, set[RunId]] = defaultdict(set)
    names = set(damaged)
    for name in names:
        run = name.removeprefix(POINTS)
        if run != name and is_id(run):  # a point that can't be read uses nothing that is known
            hurt[name].add(RunId(run))
    for chain_id, of_chain in _by_chain(names).items():
        search = _Search(chain_id, chains.get(chain_id), of_chain)
        for (used, slot), runs in uses.items():
            if used == chain_id:
                for name in search.named_by(slot):
                    hurt[name] |= runs
    return {name: sorted(runs) for name, runs in hurt.items()}


def _by_chain(names: Iterable[str]) -> dict[ChainId, set[str]]:
    found: defaultdict[ChainId, set[str]] = defaultdict(set)
    for name in names:
        kind, _, rest = name.partition("/")
        if kind == "c" and rest:
            found[ChainId(rest.partition("/")[0])].add(name)
    return found


class _Search:
    """Looks for the damaged objects of one chain behind its commits; reads an index once."""

    def __init__(self, chain_id: ChainId, chain: Chain | None, damaged: AbstractSet[str]) -> None:
        prefix = chain_prefix(chain_id)
        self._chain = chain
        self._damaged = damaged
        #: What every disk of the chain needs.
        self._needed = damaged & {prefix + part for part in (CHAIN_HEADER, "k/", "p/")}
        self._behind: dict[str, set[str]] = {}

    def named_by(self, slot: CommitSlot) -> set[str]:
        """Return which of the damaged objects the disk in *slot* refers to."""
        found = set(self._needed)
        if self._chain is None:
            return found
        for name in self._names(self._chain, slot):
            if name in self._damaged:
                found.add(name)
        return found

    def _names(self, chain: Chain, slot: CommitSlot) -> Iterator[str]:
        yield chain.full_name(commit_name(slot))
        try:
            found = chain.find_commit(slot)
            if found is None or found[0].manifest is None:
                return
            yield chain.full_name(found[0].manifest)
            manifest = chain.manifest_of(found[0])
        except DAMAGE:
            return
        for line in () if manifest is None else manifest.shards:
            yield chain.full_name(line.index)
            yield from self._packs(chain, line)

    def _packs(self, chain: Chain, line: ShardReference) -> set[str]:
        """Return the damaged packs that an index names."""
        if line.index not in self._behind:
            try:
                rows = chain.index_of(line).packs
            except DAMAGE:
                rows = ()
            names = {chain.full_name(str(row.holder)) for row in rows}
            self._behind[line.index] = names & self._damaged
        return self._behind[line.index]
