"""The tables that a worker wrote, opened within what its manifest lets them have.

A table's counts are looked at before it is taken apart.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from typing import Final

from typing_extensions import override

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.repository.control.backup.admission import Expected, table_bound, table_refusal
from vmbackup_core.repository.control.commits.counting import Tables
from vmbackup_core.repository.data.index_reader import IndexReader
from vmbackup_core.repository.data.manifest import IndexObject, Manifest
from vmbackup_core.repository.data.tables import Table, decode_table
from vmbackup_core.repository.primitives.chain_keys import ChainKeys
from vmbackup_core.repository.primitives.envelope import unseal, within
from vmbackup_core.repository.primitives.names import index_name
from vmbackup_core.stores.port import NotStored, Store

_COUNTS: Final = struct.Struct("<III")


class AttemptTables(Tables):
    """The tables of a manifest that is not committed yet.

    *listed* is how many objects the newest commit's list has. Tables of earlier slots have been
    committed, and have the bounds of any reader.
    """

    def __init__(
        self, data: Store, keys: ChainKeys, manifest: Manifest, expected: Expected, listed: int
    ) -> None:
        self._data = data
        self._keys = keys
        self._manifest = manifest
        self._expected = expected
        self._listed = listed
        self._committed = IndexReader(data, keys, manifest)
        self._named = Counter(ref.object for ref in manifest.lines.sections())

    @override
    def table(self, row: int) -> Table:
        at = self._manifest.objects[row]
        if at.index.slot != self._expected.slot:
            return self._committed.table(row)
        name = index_name(self._keys.chain, at.index)
        payload = self._payload(name, at, self._named[row])
        if len(payload) < _COUNTS.size:
            raise CorruptRepository(f"{name}: a table of {len(payload)} bytes")
        has, sessions, rows = _COUNTS.unpack_from(payload)
        counts = has, sessions, rows
        why = table_refusal(self._expected, counts, self._named[row], self._listed)
        if why is not None:
            raise CorruptRepository(f"{name}: its table: {why}")
        return decode_table(name, payload)

    def _payload(self, name: str, at: IndexObject, sections: int) -> bytes:
        """Return what a table holds; CorruptRepository where it is damaged or missing."""
        bound = table_bound(self._expected, sections, self._listed)
        if at.table_bytes > bound.stored:
            raise CorruptRepository(f"{name}: a table of {at.table_bytes} bytes")
        try:
            stored = self._data.get_range(name, at.table_offset, at.table_bytes)
        except NotStored as error:
            raise CorruptRepository(f"{name}: is needed and not there") from error
        whole, found = within(name, at.table_offset), hashlib.sha256(stored).digest()
        if found != at.table_sha256:
            raise CorruptRepository(
                f"{whole}: SHA-256 {found.hex()}, {at.table_sha256.hex()} is named"
            )
        keys = self._keys
        return unseal("TABL", whole, stored, keys.secret_of, keys.repository, bound).payload
