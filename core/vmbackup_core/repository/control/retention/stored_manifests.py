"""What prune needs of manifests and their tables, read from the data place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.chains.manifest_versions import oldest_that_opens
from vmbackup_core.repository.control.commits.counting import (
    Counted,
    recount_what_opens,
    recounting,
)
from vmbackup_core.repository.control.commits.pack_list import ListEntry
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.retention.prune_plan import Manifests, Pruning
from vmbackup_core.repository.data.index_reader import IndexReader, manifest_in
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.chain_keys import ChainKeys, for_prune
from vmbackup_core.repository.primitives.masters import KeyRing
from vmbackup_core.repository.primitives.parsed_names import ManifestName, parse_data
from vmbackup_core.repository.primitives.steps import Steps, take_all
from vmbackup_core.stores.port import Store


def pruning(log: Log, data: Store) -> Pruning:
    """Return what prune looks with at a real data place."""
    newest = log.read().state.newest_epoch
    return Pruning(log, data, StoredManifests(data, log.control.ring, newest))


@dataclass(frozen=True, slots=True)
class StoredManifests(Manifests):
    """The manifests of a repository's data place; metadata secrets open them, no block is read."""

    data: Store
    ring: KeyRing
    newest_epoch: int

    @override
    def check(self, name: str, sha256: str | None) -> None:
        self._open(name, sha256)

    @override
    def recount(self, name: str, sha256: str | None) -> Iterable[ListEntry]:
        return take_all(self.recounting(name, sha256))

    @override
    def recounting(self, name: str, sha256: str | None) -> Steps[Iterable[ListEntry]]:
        tally = yield from recounting(self._counted(name, sha256))
        return tally.entries()

    @override
    def count_what_opens(self, name: str, sha256: str | None) -> Iterable[ListEntry]:
        try:
            counted = self._counted(name, sha256)
        except CorruptRepository:
            return []
        return recount_what_opens(counted).entries()

    def _counted(self, name: str, sha256: str | None) -> Counted:
        keys, manifest = self._open(name, sha256)
        return Counted(manifest, IndexReader(self.data, keys, manifest))

    def _open(self, name: str, sha256: str | None) -> tuple[ChainKeys, Manifest]:
        named = parse_data(name)
        if not isinstance(named, ManifestName):
            raise CorruptRepository(f"{name} is no manifest")
        keys = for_prune(self.ring, named.chain, self.newest_epoch)

        def opens(stored: bytes) -> Manifest:
            found = hashlib.sha256(stored).hexdigest()
            if sha256 is not None and found != sha256:
                raise CorruptRepository(f"{name}: SHA-256 {found}, {sha256} is named")
            return manifest_in(keys, name, stored)

        manifest = oldest_that_opens(self.data, name, opens)
        if (manifest.said.slot, manifest.said.session) != (named.slot, named.session):
            raise CorruptRepository(f"{name}: is of slot {manifest.said.slot}")
        return keys, manifest
