"""Checking a repository: the header, every recovery point, every chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.chain import CHAIN_HEADER, Chain
from vmbackup_core.repository.chain_check import ChainCheck
from vmbackup_core.repository.harm import points_hurt
from vmbackup_core.repository.names import (
    CHAINS,
    HEADER,
    POINTS,
    chain_prefix,
    commit_name,
    is_id,
    point_name,
)
from vmbackup_core.repository.points import (
    RecoveryPoint,
    RecoveryPointDisk,
    is_of_snapshot,
    runs_with_point,
)
from vmbackup_core.repository.records import Commit
from vmbackup_core.repository.report import CheckReport, Observations
from vmbackup_core.repository.transfer import Tally
from vmbackup_core.stores.port import Store


class RepositoryCheck:
    """One look at everything; *read_point* and *find_chain* open what is sealed."""

    def __init__(
        self,
        store: Store,
        read_point: Callable[[RunId], RecoveryPoint | None],
        find_chain: Callable[[ChainId], Chain | None],
        tally: Tally,
        seen: Observations,
    ) -> None:
        self._store = store
        self._read_point = read_point
        self._find_chain = find_chain
        self._tally = tally
        self._seen = seen
        self._chains: dict[ChainId, Chain | None] = {}
        self._needed: defaultdict[ChainId, set[CommitSlot]] = defaultdict(set)
        self._uses: defaultdict[tuple[ChainId, CommitSlot], set[RunId]] = defaultdict(set)

    def header(self, read: Callable[[], object]) -> None:
        """Look at the header, which *read* opens."""
        with self._seen.noting(HEADER):
            read()

    def run(self, *, read_data: bool) -> CheckReport:
        """Look at everything; with *read_data* at every byte."""
        with self._seen.noting(POINTS):
            for run in runs_with_point(self._store):
                with self._seen.noting(point_name(run)):
                    self._point(run)
        for chain_id in self._chain_ids():
            chain = self._chain(chain_id)
            if chain is not None:
                self._seen.chains += 1
                needed = self._needed[chain_id]
                look = ChainCheck(chain, needed, self._seen, self._tally, read_data=read_data)
                look.run()
        return self._seen.report(points_hurt(self._seen.findings, self._uses, self._chains))

    def _chain_ids(self) -> list[ChainId]:
        """Return the chains that are listed and those that recovery points name."""
        found = dict.fromkeys(self._needed)
        with self._seen.noting(CHAINS):
            for each in self._store.list(CHAINS):
                part = each.name.split("/")[1]
                if is_id(part):  # objects with other names are left alone
                    found[ChainId(part)] = None
        return sorted(found)

    def _chain(self, chain_id: ChainId) -> Chain | None:
        if chain_id not in self._chains:
            self._chains[chain_id] = None
            name = chain_prefix(chain_id) + CHAIN_HEADER
            with self._seen.noting(name):
                chain = self._find_chain(chain_id)
                if chain is None:
                    self._seen.fault(name, "is missing")
                self._chains[chain_id] = chain
        return self._chains[chain_id]

    def _point(self, run: RunId) -> None:
        point = self._read_point(run)
        if point is None:  # expired since it was listed
            return
        self._seen.points += 1
        for disk in point.disks:
            self._needed[disk.chain_id].add(disk.slot)
            self._uses[disk.chain_id, disk.slot].add(run)
            chain = self._chain(disk.chain_id)
            if chain is None:
                continue  # that was said of the chain
            commit = chain.full_name(commit_name(disk.slot))
            with self._seen.noting(commit):
                found = chain.find_commit(disk.slot)
                if found is None:
                    self._seen.fault(commit, f"is missing; {point_name(run)} names it")
                elif found[1] != disk.commit_digest:
                    self._seen.fault(
                        commit, f"digest {found[1]}; {point_name(run)} has {disk.commit_digest}"
                    )
                else:
                    self._snapshot(run, disk, chain, found[0])

    def _snapshot(self, run: RunId, disk: RecoveryPointDisk, chain: Chain, commit: Commit) -> None:
        """Compare of which snapshot the point and the manifest say that the disk is."""
        if commit.manifest is None:
            return
        with self._seen.noting(chain.full_name(commit.manifest)):
            manifest = chain.manifest_of(commit)
            if manifest is not None and not is_of_snapshot(disk, manifest):
                self._seen.fault(
                    point_name(run),
                    f"has snapshot {disk.snapshot_unique_id} of {disk.name}, slot {disk.slot} "
                    f"holds {manifest.snapshot_unique_id}",
                )
