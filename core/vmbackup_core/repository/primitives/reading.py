"""Putting an own object, and reading one that opens: today's, else the oldest version that does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.stores.port import AlreadyStored, NotStored, Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Places:
    """The two stores of a repository."""

    data: Store
    control: Store

    def both(self) -> tuple[Store, Store]:
        """Return them in the order in which headers and wraps are put and looked for."""
        return (self.control, self.data)


#: How many earlier versions are looked at, at most: whoever may write can make any number.
VERSIONS_MOST: Final = 100


def put_own(store: Store, name: str, data: bytes) -> None:
    """Store *data* under *name*, where the same bytes are success and others are AlreadyStored."""
    try:
        store.put_new(name, data)
    except AlreadyStored:
        if not _holds(store, name, data):
            raise


def read_opening(store: Store, name: str, most: int, opens: Callable[[bytes], T]) -> T:
    """Return what *opens* makes of the object called *name*, of at most *most* bytes.

    Where the current version is damaged, that is the oldest one that opens. Raise NotStored, or
    what *opens* raised of the current one where none does.
    """
    try:
        return opens(store.get(name, most=most))
    except CorruptRepository as damaged:
        found = oldest(store, name, most, opens)
        if found is None:
            raise damaged from None
        return found[0]


def oldest(store: Store, name: str, most: int, opens: Callable[[bytes], T]) -> tuple[T] | None:
    """Return what *opens* makes of the oldest earlier version that it takes; None where of none."""
    for count, content in enumerate(store.versions(name, most=most)):
        if count == VERSIONS_MOST:
            return None
        try:
            return (opens(content),)
        except CorruptRepository:
            continue
    return None


def _holds(store: Store, name: str, data: bytes) -> bool:
    try:
        return store.get(name, most=len(data)) == data
    except (CorruptRepository, NotStored):  # longer, or gone again: not ours
        return False
