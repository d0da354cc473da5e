"""Healing packs found by their feet alone, where no log says which there are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.log.log_entries import HealingPack
from vmbackup_core.repository.data.pack_reader import read_foot_of
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.failures import NotUnderstood
from vmbackup_core.repository.primitives.identities import WritingSession
from vmbackup_core.repository.primitives.names import prefix_of_healing
from vmbackup_core.repository.primitives.parsed_names import PackName, parse_data
from vmbackup_core.stores.port import NotStored, Store


def healing_packs(
    data: Store, keys: ChainKeys
) -> Iterator[tuple[RunId, WritingSession, HealingPack]]:
    """Yield those of the chain of *keys* whose foot opens, with their run and session."""
    for each in data.list(prefix_of_healing(keys.chain)):
        named = parse_data(each.name)
        if not isinstance(named, PackName):
            continue
        try:
            footer, foot, size = read_foot_of(data, keys, named.pack)
        except (CorruptRepository, NotUnderstood, NotStored):
            continue
        pack = HealingPack(named.pack.number, size, hashlib.sha256(foot).hexdigest())
        yield footer.start.run, named.pack.session, pack
