"""What is known to be stored, so that writing the same again needs no request.

A digest of each status, remembered with the resourceVersion under which it was read or written.
Forgetting one costs a request that changes nothing, so a bound on their number costs nothing else.
"""

from __future__ import annotations

import hashlib

import msgspec

from vmbackup_operator.model.kinds import Resource

#: Some hundred bytes each: far more objects than one operator has under way.
MAX_REMEMBERED = 20_000


class Unchanged:
    """Remembers statuses by the object's uid."""

    def __init__(self) -> None:
        self._stored: dict[str, tuple[str, bytes]] = {}

    def remember(self, stored: Resource) -> None:
        """Take *stored* for what the API server holds under its resourceVersion."""
        self._stored.pop(stored.metadata.uid, None)
        if len(self._stored) >= MAX_REMEMBERED:
            del self._stored[next(iter(self._stored))]  # the one that was looked at longest ago
        self._stored[stored.metadata.uid] = self._state(stored)

    def is_stored(self, wanted: Resource) -> bool:
        """Return whether *wanted* has the status that was read under its resourceVersion."""
        return self._stored.get(wanted.metadata.uid) == self._state(wanted)

    @staticmethod
    def _state(of: Resource) -> tuple[str, bytes]:
        digest = hashlib.sha256(msgspec.json.encode(of.status)).digest()
        return of.metadata.resource_version, digest
