"""What skips are tested on: three backups of a disk, and what is damaged of the newest one."""

from __future__ import annotations

from tests.unit.repository.control.chain_bench import (
    ChainBench,
)
from tests.unit.repository.turns import Work
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.backup.skipping import skip_where_due
from vmbackup_core.repository.control.chains.newest import Newest
from vmbackup_core.repository.control.commits.commits import Commit, find_commit, seal_commit
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.primitives.names import prefix_of_slot


def three(*, recorded: bool = True) -> ChainBench:
    """Three backups of a disk, of runs 1 to 3."""
    bench = ChainBench().begun()
    for number in (1, 2, 3):
        bench.back_up(number, recorded=recorded)
    return bench


def skip(bench: ChainBench, log: Log | None = None) -> Newest:
    return skip_where_due(log or bench.log(), bench.places.data, bench.chain())


def skipping(bench: ChainBench) -> Work:
    chain = bench.chain()
    return lambda places: skip_where_due(bench.log(places.control), places.data, chain)


def manifest(bench: ChainBench, slot: int) -> str:
    """Return the name of the manifest that was written for *slot*."""
    (name,) = (
        each.name
        for each in bench.places.data.list(prefix_of_slot(bench.chain().chain, "m", slot_(slot)))
    )
    return name


def slot_(number: int) -> CommitSlot:
    return CommitSlot(number)


def commit_in(bench: ChainBench, slot: int) -> Commit:
    found = find_commit(bench.control(), bench.chain().chain, slot_(slot))
    assert found is not None
    assert found.commit is not None
    return found.commit


def damage_commit(bench: ChainBench) -> None:
    bench.spoil(bench.commit_name(3))


def lose_commit(bench: ChainBench) -> None:
    bench.places.control.delete(bench.commit_name(3))


def replace_commit(bench: ChainBench) -> None:
    """Put the commit of slot 3 made again, as nobody may: its bytes are others."""
    commit = commit_in(bench, 3)
    lose_commit(bench)
    bench.control().put(seal_commit(bench.control(), commit, 1))


def damage_manifest(bench: ChainBench) -> None:
    bench.spoil(manifest(bench, 3))


def lose_manifest(bench: ChainBench) -> None:
    bench.places.data.delete(manifest(bench, 3))
