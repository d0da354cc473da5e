"""Tables of a chain's index objects: those that were committed, and those of an attempt.

The table of an attempt is opened within what its manifest lets it have, and its counts are looked
at before it is taken apart.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.admission import Expected, table_bound, table_refusal
from vmbackup_core.repository.control.needed_objects import OpensTables
from vmbackup_core.repository.data.manifest import IndexObject
from vmbackup_core.repository.data.tables import Table, decode_table
from vmbackup_core.repository.primitives.bounds import OF_SEALED, Bound
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.envelope import unseal, within
from vmbackup_core.repository.primitives.names import index_name
from vmbackup_core.stores.port import NotStored, Store

_COUNTS: Final = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class CommittedTables(OpensTables):
    """Tables that a commit has let in."""

    data: Store
    keys: ChainKeys

    @override
    def open(self, at: IndexObject, sections: int) -> Table:
        name = index_name(self.keys.chain, at.index)
        return decode_table(name, self.payload(at, OF_SEALED["TABL"]))

    def payload(self, at: IndexObject, bound: Bound) -> bytes:
        """Return what a table holds; CorruptRepository where it is damaged or missing."""
        name = index_name(self.keys.chain, at.index)
        if at.table_bytes > bound.stored:
            raise CorruptRepository(f"{name}: a table of {at.table_bytes} bytes")
        try:
            stored = self.data.get_range(name, at.table_offset, at.table_bytes)
        except NotStored as error:
            raise CorruptRepository(f"{name}: is needed and not there") from error
        whole = within(name, at.table_offset)
        found = hashlib.sha256(stored).digest()
        if found != at.table_sha256:
            raise CorruptRepository(
                f"{whole}: SHA-256 {found.hex()}, {at.table_sha256.hex()} is named"
            )
        keys = self.keys
        return unseal("TABL", whole, stored, keys.secret_of, keys.repository, bound).payload


@dataclass(frozen=True, slots=True)
class AttemptTables(OpensTables):
    """Those of a manifest that is not committed yet; *listed* objects are in the newest list."""

    committed: CommittedTables
    expected: Expected
    listed: int

    @override
    def open(self, at: IndexObject, sections: int) -> Table:
        if at.index.slot != self.expected.slot:
            return self.committed.open(at, sections)
        payload = self.committed.payload(at, table_bound(self.expected, sections, self.listed))
        name = index_name(self.committed.keys.chain, at.index)
        if len(payload) < _COUNTS.size:
            raise CorruptRepository(f"{name}: a table of {len(payload)} bytes")
        has, sessions, rows = _COUNTS.unpack_from(payload)
        why = table_refusal(self.expected, (has, sessions, rows), sections, self.listed)
        if why is not None:
            raise CorruptRepository(f"{name}: its table: {why}")
        return decode_table(name, payload)
