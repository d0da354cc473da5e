"""What a repository needs of the place where its objects lie.

The contract, kept by one suite over every adapter (tests/contract/ports/store_facts.py): an object
is there whole or not at all; a put is visible to every later read and list; nothing is ever
overwritten by `put_new`. Calls may come from several threads at once.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol, Union

from vmbackup_core.errors import CorruptRepository, PermanentError, TransientError, VmbackupError

#: What a store takes to write (``collections.abc.Buffer`` came with Python 3.12).
Buffer = Union[bytes, bytearray, memoryview]  # noqa: UP007 - evaluated at run time on 3.10


_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def checked_name(name: str) -> str:
    """Return *name* where every store can hold it; no part begins with a dot or is empty."""
    if len(name) > 512 or _NAME.fullmatch(name) is None:  # noqa: PLR2004 - Azure takes 1,024
        raise ValueError(f"{name!r} is no name of an object")
    return name


class Unreadable(VmbackupError):
    """An object or a listing cannot be read as things are: that says nothing of its bytes.

    Somebody has to change something (a right, a tier, a disk) and then it can be.
    """


#: What a reader catches where it goes on without an object, and comes again.
UNREADABLE_NOW: Final = (TransientError, Unreadable)


class TooLarge(CorruptRepository):
    """The object has more bytes than anybody would have stored; they were not read."""

    def __init__(self, name: str, most: int) -> None:
        super().__init__(f"{name}: more than {most} bytes")
        self.name = name


class CredentialsRefused(PermanentError, Unreadable):
    """The store does not let the caller in: expired, revoked, or lacking the right.

    The same call with other credentials may succeed. That an object is never overwritten is not
    this: whoever asks is refused it.
    """


class AccountRefuses(PermanentError, Unreadable):
    """The account refuses, whoever asks: it is full, or it or its subscription is disabled.

    Other credentials change nothing; somebody has to make room, or to have it enabled.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="AccountRefuses")


class AlreadyStored(PermanentError):
    """An object of that name is there; what it holds is for the caller to look at."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is already stored", reason="AlreadyStored")
        self.name = name


class NotStored(PermanentError):
    """No object of that name is there."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not stored", reason="NotStored")
        self.name = name


class LocksNotKept(PermanentError):
    """The store cannot keep an object against its deletion, or is not set up to."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} keeps no locks: {why}", reason="ImmutabilityNotSupported")


class ObjectUnreadable(PermanentError, Unreadable):
    """The object is there, and the store can't give its bytes; other objects may be well.

    Where the reason is ``ObjectUnreadable`` other parts of the object may be well, too.
    """


#: The access tier that an object is put into; Hot is what the store does by itself. Into Archive
#: nothing is put: what is stored is read back first (`archive_tier`).
Tier = Literal["Hot", "Cool", "Cold"]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One line of a listing; what is *archived* is there, and cannot be read until it is not."""

    name: str
    size_bytes: int
    archived: bool = False


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """Until when an object is kept against deletion; None where it never was.

    A moment that has passed keeps nothing any more.
    """

    name: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class NotDeleted:
    """An object that the store keeps against a deletion, and why: it is locked."""

    name: str
    why: str


#: What stores say where they keep an object against its deletion.
LOCKED: Final = frozenset({"BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"})

#: The most names that `delete_all` takes.
DELETED_AT_ONCE: Final = 256


class Store(Protocol):
    """Named runs of bytes.

    Names are relative, with ``/`` between their parts; no name is the beginning of another's parts
    (``a`` and ``a/b``), since a directory could not hold both.
    """

    def put_new(self, name: str, data: Buffer) -> None:
        """Store *data* under *name*; raise AlreadyStored, and change nothing, where it is taken.

        A put whose answer was lost may be sent again by the adapter: it then compares, and the
        caller sees success where its own bytes are what is there.
        """

    def get(self, name: str, *, most: int | None = None) -> bytes:
        """Return the whole object; raise NotStored or ObjectUnreadable.

        Of one that has more than *most* bytes, raise TooLarge and read no more than one byte of
        what is behind.
        """

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset*, fewer at the object's end.

        Raise NotStored or ObjectUnreadable.
        """

    def get_end(self, name: str, length: int, *, size: int | None = None) -> tuple[bytes, int]:
        """Return the last *length* bytes, or all where there are fewer, and the object's size.

        Raise NotStored. *size* is what the caller believes the size to be: where that is right,
        it is one request, since Azure counts no range from the end.
        """

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[StoredObject]:
        """Yield the objects whose names begin with *prefix*, in order of name.

        *prefix* may end within a name, or be empty for everything. No more is asked for than
        *limit* objects, and nothing is kept of what was yielded. Raise ObjectUnreadable where some
        of them can't be listed.
        """

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield what names that begin with *prefix* have up to their next ``/``, each once.

        In order; each ends with the ``/``. Objects without one behind the prefix are passed over.
        """

    def delete(self, name: str) -> None:
        """Remove the object; one that is not there is no error."""

    def delete_all(self, names: Sequence[str]) -> builtins.list[NotDeleted]:
        """Remove at most `DELETED_AT_ONCE` objects; return those that are locked.

        One that is not there is no error. Another failure is raised when others of *names* may
        have been removed.
        """

    def versions(self, name: str, *, most: int) -> Iterator[bytes]:
        """Yield the earlier versions of an object, the oldest first, also where none is current.

        Those of more than *most* bytes are left out. A store that keeps none yields nothing.
        """

    def lock_until(self, name: str, moment: datetime) -> None:
        """Keep the object's bytes against everybody until *moment*, which is to come.

        Nobody can take that back, or delete the object before. One that is locked for longer stays
        so. Raise NotStored, and LocksNotKept where the store can't.
        """

    def locks(self, prefix: str) -> Iterator[ObjectLock]:
        """Yield for each object that `list` would yield until when it is locked.

        A store that was not set up for locks yields that none is; one that never has any raises
        LocksNotKept.
        """


def delete_unless_locked(store: Store, name: str) -> str | None:
    """Delete the object called *name*; return why it stays where it is locked."""
    try:
        store.delete(name)
    except PermanentError as error:
        if error.reason not in LOCKED:
            raise
        return str(error)
    return None


def checked_batch(names: Sequence[str]) -> Sequence[str]:
    """Return *names* where `delete_all` takes so many."""
    if len(names) > DELETED_AT_ONCE:
        raise ValueError(f"{len(names)} names, of which {DELETED_AT_ONCE} go at once")
    return names
