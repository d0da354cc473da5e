"""What entries of pack lists come to, added up the plain way."""

from __future__ import annotations

from collections.abc import Iterable

from vmbackup_core.repository.control.commits.pack_list import Key, ListEntry, added


def summed(changes: Iterable[ListEntry]) -> list[ListEntry]:
    """Return *changes* in order, those of one object added up; what comes out as 0 is left out."""
    by_key: dict[Key, ListEntry] = {}
    for change in changes:
        known = by_key.get(change.key)
        by_key[change.key] = change if known is None else added(known, change)
    return [by_key[key] for key in sorted(by_key) if by_key[key].count]
