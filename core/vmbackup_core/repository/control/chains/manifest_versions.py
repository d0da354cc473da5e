"""Manifests where the store keeps versions: the oldest that opens is the object; section 2.

For whoever lists. A backup worker can't list versions, so what it is to build on is read without
them: its operator must not take for whole what the worker finds damaged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.data.index_reader import manifest_in
from vmbackup_core.repository.data.manifest import Manifest
from vmbackup_core.repository.primitives.bounds import OF_SEALED
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.reading import oldest, read_opening
from vmbackup_core.stores.port import NotStored, Store

T = TypeVar("T")


def open_manifest_kept(store: Store, keys: ChainKeys, name: str, sha256: str) -> Manifest:
    """Return the manifest called *name* whose bytes have this digest, in whichever version.

    One that was deleted is looked for, too. CorruptRepository where it is nowhere: it is needed.
    """

    def opens(stored: bytes) -> Manifest:
        found = hashlib.sha256(stored).hexdigest()
        if found != sha256:
            raise CorruptRepository(f"{name}: its digest is {found}, {sha256} is named")
        return manifest_in(keys, name, stored)

    try:
        return oldest_that_opens(store, name, opens)
    except NotStored as error:
        kept = oldest(store, name, OF_SEALED["MANI"].stored, opens)
        if kept is None:
            raise CorruptRepository(f"{name}: is needed and not there") from error
        return kept[0]


def oldest_that_opens(store: Store, name: str, opens: Callable[[bytes], T]) -> T:
    """Return what *opens* makes of the manifest: today's, else the oldest version that it takes."""
    return read_opening(store, name, OF_SEALED["MANI"].stored, opens)
